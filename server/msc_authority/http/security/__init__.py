"""Who asks over HTTP, and what keeps the server's connections its own."""
