"""The HTTP side: REST, events, metrics and the dashboard, in a thread with an event loop of its own."""
