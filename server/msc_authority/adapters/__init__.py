"""One port with one technology each."""
