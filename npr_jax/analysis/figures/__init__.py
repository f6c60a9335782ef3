"""Figures of the report, and the style they share."""
