"""A detector as one file that other programs load: ``python main.py export``."""
