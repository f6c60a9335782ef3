"""A noise predictor as one file: what is needed to use it, and its hash.

``.safetensors`` files that this project wrote say in their metadata what U-Net and schedule they
are of. Any other file is taken for the published ADM (Dhariwal and Nichol, NeurIPS 2021): the
unconditional model of 256x256 pixels, trained on ImageNet, ``256x256_diffusion_uncond.pt``. U-Nets
of other shapes are saved under the same names.
"""

import dataclasses
import hashlib
import itertools
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from flax import nnx

from input_pipeline.errors import UserError
from input_pipeline.storage.atomic_files import write_file
from input_pipeline.storage.whole_content import json_object, whole_content
from npr_jax.models.diffusion.unet import NoisePredictor, UNet, UNetShape
from npr_jax.models.pretrained.state_dict import load_state_dict

ADM_256 = UNetShape(256, (1, 1, 2, 2, 4, 4), 2, attention=(8, 16, 32), learned_sigma=True)
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


def _published_shape(path: tuple, variable: nnx.Variable) -> tuple[int, ...]:
    # Zero strides: such an array takes no memory.
    return _to_published(path, np.broadcast_to(np.float32(0), variable.get_value().shape)).shape


def load_unet(arrays: Mapping[str, np.ndarray], shape: UNetShape, source: str = "") -> UNet:
    """A U-Net with the weights of published names in torch's layout; ``source`` is for messages.

    ``UserError`` lists the names that are unknown, those that are missing and the arrays of other
    shapes or with numbers that are not finite.
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


FILE_NAME = "noise_predictor.safetensors"
_REMEDY = "copy it again, or train it anew"
_KEY = "npr_jax.noise_predictor"


def save_noise_predictor(predictor: NoisePredictor, path: pathlib.Path) -> None:
    """Writes the file whole or not at all; the weights carry ADM's published names."""
    about = {
        "unet": dataclasses.asdict(predictor.unet.shape),
        "schedule": predictor.schedule,
        "steps": predictor.steps,
        "image_size": predictor.image_size,
    }
    data = safetensors.numpy.save(
        published_arrays(predictor.unet), metadata={_KEY: json.dumps(about, sort_keys=True)}
    )
    write_file(path, data)


def load_noise_predictor(path: str | pathlib.Path) -> NoisePredictor:
    """Reads a ``.safetensors``, ``.pt`` or ``.pth`` file, or that of a run of ``noise_predictor``.

    ``UserError`` where there is no such file, it cannot be read or its arrays fit no known U-Net.
    """
    path = _file(path)
    arrays = load_state_dict(path)
    about = _about(path)
    if about is None:
        schedule, steps = ADM_SCHEDULE
        shape, image_size = ADM_256, ADM_IMAGE_SIZE
    else:
        with whole_content(path, _REMEDY):
            tuples: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value
                for key, value in about["unet"].items()
            }
            shape, image_size = UNetShape(**tuples), about["image_size"]
            schedule, steps = about["schedule"], about["steps"]
            if type(image_size) is not int or type(steps) is not int or min(image_size, steps) < 1:
                raise ValueError(f"image_size is {image_size!r}, steps are {steps!r}")
    unet = load_unet(arrays, shape, str(path))
    return NoisePredictor(unet, schedule, steps, image_size, hash_of(path), str(path))


def hash_of(path: str | pathlib.Path) -> str:
    """SHA-256 in hex of the file that ``load_noise_predictor`` would read."""
    path = _file(path)
    if not path.is_file():
        raise UserError(f"noise predictor {path} does not exist; give its file or its run")
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _file(path: str | pathlib.Path) -> pathlib.Path:
    path = pathlib.Path(path)
    if not path.is_dir():
        return path
    if not (path / FILE_NAME).is_file():
        raise UserError(
            f"{path} holds no {FILE_NAME}; it is written when `python main.py noise_predictor` "
            "has come to its end"
        )
    return path / FILE_NAME


def _about(path: pathlib.Path) -> dict[str, Any] | None:
    """What the file says of itself; None where it is none of ours."""
    if path.suffix != ".safetensors":
        return None
    with safetensors.safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
    return json_object(metadata[_KEY].encode(), path, _REMEDY) if _KEY in metadata else None
