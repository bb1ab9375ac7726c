"""The current policy in Redis or Valkey. See README.md for the keys."""
