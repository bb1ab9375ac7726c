"""Command line of the authority."""


def main() -> None:
    """Runs `msc`."""
