"""Denoising diffusion: noise predictors, and what DIRE computes with them."""
