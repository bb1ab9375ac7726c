"""The drill: real authorities on a real PostgreSQL and a real Valkey, watched by many clients while things break."""
