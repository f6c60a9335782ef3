"""Recipes: one file each, every one a variation of ``default.py``."""
