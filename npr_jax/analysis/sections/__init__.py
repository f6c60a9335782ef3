"""The parts of a page, one idea per file; report.py lists them in reading order."""
