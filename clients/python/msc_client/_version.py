"""Which client this is."""

__version__ = "0.1.0"
SDK = f"python/{__version__}"
