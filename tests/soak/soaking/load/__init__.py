"""Those who load the authority, each a process that works in shifts."""
