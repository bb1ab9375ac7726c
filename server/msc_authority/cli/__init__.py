"""The command line `msc`."""
