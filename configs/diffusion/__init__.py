"""Recipes of noise predictors, for `python main.py noise_predictor`."""
