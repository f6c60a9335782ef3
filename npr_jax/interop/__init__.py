"""Weights of the published PyTorch models, in; nothing here executes a pickle."""

from npr_jax.interop.registry import from_torch_state_dict, recognise
from npr_jax.interop.state_dict import load_state_dict

__all__ = ["from_torch_state_dict", "load_state_dict", "recognise"]
