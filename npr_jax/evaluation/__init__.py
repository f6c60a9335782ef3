"""From scores to tables: evaluate, calibrate, robustness, localisation."""
