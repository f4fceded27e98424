"""whydenied: why a request was denied, the smallest change that fixes it, and a check that it worked."""

__version__ = "0.1.0"
