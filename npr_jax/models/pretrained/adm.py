"""The published ADM noise predictor: its shape, and its names for our parameters.

Dhariwal and Nichol, NeurIPS 2021: the unconditional model of 256x256 pixels, trained on ImageNet,
published as ``256x256_diffusion_uncond.pt``. U-Nets of other shapes are saved under the same names.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from flax import nnx

from input_pipeline.errors import UserError
from npr_jax.models.diffusion.unet import UNet, UNetShape

ADM_256 = UNetShape(
    channels=256,
    multipliers=(1, 1, 2, 2, 4, 4),
    blocks=2,
    attention=(8, 16, 32),
    head_channels=64,
    groups=32,
    learned_sigma=True,
)
ADM_IMAGE_SIZE = 256
ADM_SCHEDULE = ("linear", 1000)

_TOP = {"norm": "out.0", "conv": "out.2"}
_LAYER = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "shortcut": "skip_connection",
    "norm": "norm",
    "qkv": "qkv",
    "projection": "proj_out",
}
_LEAF = {"kernel": "weight", "scale": "weight", "bias": "bias"}
_MOST_NAMED = 20  # problems listed one by one


def published_name(path: tuple[str | int, ...]) -> str:
    """The published name of one of a U-Net's parameters, given its path."""
    *layer, leaf = path
    if layer[0] in _TOP:
        name = _TOP[layer[0]]
    elif layer[0] == "time_embed":
        # A nonlinearity without parameters stands between the two.
        name = f"time_embed.{2 * int(layer[1])}"
    else:
        # The first convolution has no layers of its own inside.
        inside = [_LAYER[part] if isinstance(part, str) else str(part) for part in layer[1:]]
        name = ".".join([str(layer[0]), *inside])
    return f"{name}.{_LEAF[str(leaf)]}"


def _to_published(path: tuple, value: np.ndarray) -> np.ndarray:
    """Our array in torch's layout."""
    if path[-1] != "kernel":
        return value
    if value.ndim == 4:
        return value.transpose(3, 2, 0, 1)  # HWIO -> OIHW
    value = value.T
    # Attention is a convolution over a sequence there, a shortcut one over an image.
    ones = {"qkv": 1, "projection": 1, "shortcut": 2}.get(path[-2], 0)
    return value.reshape(*value.shape, *(1,) * ones)


def _from_published(array: np.ndarray, ndim: int) -> np.ndarray:
    """The inverse of ``_to_published`` for an array of ours with ``ndim`` axes."""
    if ndim == 4:
        return array.transpose(2, 3, 1, 0)
    return array.reshape(array.shape[:2]).T if ndim == 2 else array


def published_arrays(unet: UNet) -> dict[str, np.ndarray]:
    """All parameters of a U-Net under their published names, float32, in torch's layout."""
    flat = nnx.to_flat_state(nnx.state(unet, nnx.Param))
    return {
        published_name(path): np.ascontiguousarray(
            _to_published(path, np.asarray(variable.get_value()))
        )
        for path, variable in flat
    }


def published_shapes(shape: UNetShape) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the arrays that ``load_unet`` expects, in torch's layout.

    Nothing of the size of the model is allocated.
    """
    return {
        published_name(path): _published_shape(path, variable)
        for path, variable in _abstract(shape)[1].items()
    }


def _published_shape(path: tuple, variable: nnx.Variable) -> tuple[int, ...]:
    # Zero strides: such an array takes no memory.
    return _to_published(path, np.broadcast_to(np.float32(0), variable.get_value().shape)).shape


def load_unet(arrays: Mapping[str, np.ndarray], shape: UNetShape, source: str = "") -> UNet:
    """A U-Net with the given weights.

    Args:
        arrays: published names to arrays in torch's layout.
        shape: what the arrays are of.
        source: the file they are from, for messages.

    Raises:
        ValueError: listing the names that are unknown, those that are missing and the arrays of
            other shapes or with numbers that are not finite.
    """
    graphdef, wanted = _abstract(shape)
    names = {published_name(path): path for path in wanted}
    problems = [f"{name}: no such parameter" for name in arrays.keys() - names.keys()]
    problems += [f"{name}: missing" for name in names.keys() - arrays.keys()]
    values = {}
    for name in names.keys() & arrays.keys():
        array, path = np.asarray(arrays[name]), names[name]
        expected = _published_shape(path, wanted[path])
        if array.shape != expected:
            problems.append(f"{name}: shape {array.shape}, expected {expected}")
        elif not np.issubdtype(array.dtype, np.floating) or not np.isfinite(array).all():
            problems.append(f"{name}: expected finite floating-point numbers, got {array.dtype}")
        else:
            ours = _from_published(array, len(wanted[path].get_value().shape))
            values[path] = wanted[path].replace(jnp.asarray(ours, jnp.float32))
    if problems:
        listed = "\n  ".join(itertools.islice(sorted(problems), _MOST_NAMED))
        raise UserError(
            f"{source or 'the state dict'} does not fit the noise predictor of {shape.channels} "
            f"channels x {shape.multipliers} ({len(problems)} problems):\n  {listed}"
        )
    return nnx.merge(graphdef, nnx.from_flat_state(list(values.items())))


def _abstract(shape: UNetShape) -> tuple[nnx.GraphDef, dict]:
    """The structure, and every parameter's path and shape; no numbers are made."""
    graphdef, state = nnx.split(nnx.eval_shape(lambda: UNet(shape, rngs=nnx.Rngs(0))))
    return graphdef, dict(nnx.to_flat_state(state))
