"""Alerts on their way out: webhooks and notification services, each behind a queue and a thread of its own."""
