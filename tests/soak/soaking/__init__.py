"""Keeps an authority under change and reconnects for a long time, and looks whether it stays as small as it was."""
