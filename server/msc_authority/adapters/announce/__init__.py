"""Announcements of new heads between processes. `open_announcements(url)` is the way in."""
