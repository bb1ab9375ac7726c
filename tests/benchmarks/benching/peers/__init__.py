"""What a user would pick instead, where it can be had."""
