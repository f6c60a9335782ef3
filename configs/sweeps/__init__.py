"""Sweeps: many settings times many seeds, see docs/sweeps.md."""
