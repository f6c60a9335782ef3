"""Sweeps: many settings times many seeds, see docs/systems.md."""
