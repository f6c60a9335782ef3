"""Trained detectors on disk: their weights and their calibration."""
