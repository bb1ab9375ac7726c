"""Where everything meets."""
