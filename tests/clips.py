"""A small CLIP vision tower: transformers' implementation of it, and settings for ours."""

import numpy as np
import pytest

from npr_jax.models.clip import CLIP_MEAN, CLIP_STD, ClipShape

TINY = ClipShape(image_side=32, patch=8, width=32, layers=2, heads=4, hidden=64, projection=16)
# For configs/univfd.py.
TINY_SETTINGS = {
    "model.image_side": TINY.image_side,
    "model.patch": TINY.patch,
    "model.width": TINY.width,
    "model.layers": TINY.layers,
    "model.heads": TINY.heads,
    "model.hidden": TINY.hidden,
    "model.projection": TINY.projection,
    "data.host_crop": TINY.image_side,
    "data.crop": TINY.image_side,
    "data.validation_crop": TINY.image_side,
    "data.evaluate_crop": TINY.image_side,
}


def torch_tower(shape: ClipShape = TINY, seed: int = 0):
    """``(torch, model)``: transformers' tower of random weights, none of them at its default.

    Half precision holds the weights exactly. Skips the test where a package is missing.
    """
    torch = pytest.importorskip("torch", reason="needs the torch extra")
    transformers = pytest.importorskip("transformers", reason="needs the test extra")
    settings = transformers.CLIPVisionConfig(
        image_size=shape.image_side,
        patch_size=shape.patch,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.hidden,
        projection_dim=shape.projection,
    )
    model = transformers.CLIPVisionModelWithProjection(settings).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            norm_scale = "norm" in name and name.endswith("weight")
            # Sums over a token's features stay near 1 at any width.
            changed = 1 + 0.2 * noise if norm_scale else noise * shape.width**-0.5
            parameter.copy_(changed.half())
    return torch, model


def torch_embeddings(model, images: np.ndarray) -> np.ndarray:
    """transformers' embeddings of uint8 images ``[n, side, side, 3]``."""
    import torch

    x = (images / 255.0 - np.array(CLIP_MEAN)) / np.array(CLIP_STD)
    with torch.no_grad():
        pixels = torch.from_numpy(x.transpose(0, 3, 1, 2).astype(np.float32))
        return model(pixels).image_embeds.numpy()
