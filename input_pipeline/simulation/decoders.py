"""The small networks that stand for image generators, as data, and the functions that run them.

Every family is an autoencoder fitted to reconstruct noise-free photographs
(`python -m docs.research.fit_simulation_decoders`). What differs is how its decoder reaches full
size. The decoders of `npr_jax/models/reconstruction` are others, fitted to real photographs.
"""

import dataclasses
import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from input_pipeline.errors import UserError

Parameters = dict[str, jax.Array]

MULTIPLE = 8  # heights and widths are divisible by this

_SLOPE = 0.2


@dataclasses.dataclass(frozen=True)
class Family:
    """One generator family."""

    summary: str  # which generators up-sample like this, in one line
    # (kind, output channels) pairs, run in order; the kinds are in `_LAYERS`. "save n" and "join n"
    # (kind only) keep a feature map and concatenate it later
    layers: tuple[tuple[str, int], ...]
    # Standard deviation of white noise on the network's input, in 8-bit levels; such a network
    # removes noise, as a diffusion model's does.
    input_noise: float = 0.0


def _autoencoder(summary: str, kind: str) -> Family:
    """Twice down, twice up by layers of one kind."""
    encoder = (("down", 20), ("down", 40), ("latent", 36), ("conv", 40))
    return Family(summary, (*encoder, (kind, 20), (kind, 16), ("image", 3)))


FAMILIES: dict[str, Family] = {
    "nearest_conv": _autoencoder("nearest x2 + 3x3 convolution (ProGAN)", "nearest"),
    "fir_conv": _autoencoder("x2 with the FIR [1, 3, 3, 1] + 3x3 convolution (StyleGAN)", "fir"),
    "transposed4": _autoencoder("transposed convolution 4x4, stride 2 (DCGAN)", "transposed4"),
    "transposed3": _autoencoder("transposed convolution 3x3, stride 2 (CycleGAN)", "transposed3"),
    "pixel_shuffle": _autoencoder("pixel shuffle x2 (sub-pixel convolution)", "shuffle"),
    "ldm_vae": Family(
        "three times nearest x2 with residual blocks (VAE of a latent diffusion model)",
        (
            ("down", 16), ("down", 32), ("down", 40), ("latent", 32), ("conv", 32),
            ("residual", 32), ("nearest", 24), ("residual", 24), ("nearest", 20),
            ("residual", 20), ("nearest", 16), ("image", 3),
        ),
    ),
    "unet": Family(
        "U-Net with nearest x2 and a skip at full size, removes noise (DDPM)",
        (
            ("conv", 12), ("save 0", 0), ("down", 20), ("save 1", 0), ("down", 40),
            ("residual", 40), ("nearest", 20), ("join 1", 0), ("conv", 20),
            ("nearest", 16), ("join 0", 0), ("conv", 16), ("image", 3),
        ),
        input_noise=20.0,
    ),
    "bicubic_sr": Family(
        "bicubic x2 of a low-resolution image and its features + convolutions (super-resolution)",
        (("down", 20), ("latent", 10), ("bicubic", 20), ("conv", 20), ("image", 3)),
    ),
    "control": Family(
        "no up-sampling: the same capacity at full size throughout",
        (*(("conv", 24), ("conv", 32), ("latent", 12), ("conv", 32), ("conv", 24)), ("image", 3)),
    ),
}  # fmt: skip


def weights_directory() -> pathlib.Path:
    """Where the fitted weights lie, one `<family>.npz` each."""
    return pathlib.Path(__file__).parent / "weights"


def load_parameters(family: str) -> Parameters:
    """Fitted weights of a family as float32; ValueError if they are missing or do not fit."""
    path = weights_directory() / f"{family}.npz"
    if family not in FAMILIES:
        raise UserError(f"unknown family {family!r}; the families are {', '.join(FAMILIES)}")
    refit = f"refit them: python -m docs.research.fit_simulation_decoders --families {family}"
    if not path.exists():
        raise UserError(f"weights of family {family!r} are missing at {path}; {refit}")
    with np.load(path) as archive:
        parameters = {name: jnp.asarray(archive[name], jnp.float32) for name in archive.files}
    make = functools.partial(initial_parameters, family)
    wanted = jax.eval_shape(make, jax.ShapeDtypeStruct((2,), jnp.uint32))
    expected = {name: value.shape for name, value in wanted.items()}
    found = {name: value.shape for name, value in parameters.items()}
    if expected != found:
        raise UserError(
            f"weights of family {family!r} at {path} have shapes {found}, the definition needs "
            f"{expected}; {refit}"
        )
    return parameters


def initial_parameters(family: str, key: jax.Array) -> Parameters:
    """Kaiming-normal weights and zero biases for a family; float32 [kh, kw, in, out] and [out]."""
    parameters: Parameters = {}
    channels, saved = 3, {}
    for i, (kind, width) in enumerate(FAMILIES[family].layers):
        if kind.startswith("save"):
            saved[kind[5:]] = channels
        elif kind.startswith("join"):
            channels += saved[kind[5:]]
        else:
            for name, (size, inner, outer, gain) in _kernels(kind, channels, width).items():
                key, use = jax.random.split(key)
                scale = gain * np.sqrt(2 / (size * size * inner))
                shape = (size, size, inner, outer)
                parameters[f"{i}{name}.kernel"] = scale * jax.random.normal(use, shape)
                parameters[f"{i}{name}.bias"] = jnp.zeros(outer)
            channels = width
    return parameters


def apply(family: str, parameters: Parameters, images: jax.Array) -> jax.Array:
    """Sends images through a family's network.

    Args:
        family: a name in `FAMILIES`.
        parameters: as from `load_parameters`.
        images: float32 [n, h, w, 3], 8-bit levels in [0, 255], input noise already added; h and w
            divisible by `MULTIPLE`.

    Returns:
        float32 [n, h, w, 3], 8-bit levels, neither clipped nor rounded.
    """
    x = images / 127.5 - 1
    saved = {}
    for i, (kind, _) in enumerate(FAMILIES[family].layers):
        if kind.startswith("save"):
            saved[kind[5:]] = x
        elif kind.startswith("join"):
            x = jnp.concatenate([x, saved[kind[5:]]], axis=-1)
        else:
            x = _LAYERS[kind](functools.partial(_parameter, parameters, i), x)
    return (x + 1) * 127.5


def decode(family: str, images: np.ndarray, batch: int = 32) -> np.ndarray:
    """Runs the fitted network of a family over many images in batches of one fixed size.

    Args:
        family: a name in `FAMILIES`.
        images: float32 [n, h, w, 3] as for `apply`, as is what is returned.
        batch: images per call; the last call is filled up with zeros, so one program serves all.
    """
    network = _fitted(family)
    results = [np.empty((0, *images.shape[1:]), np.float32)]
    for start in range(0, len(images), batch):
        part = images[start : start + batch]
        filled = np.zeros((batch, *images.shape[1:]), np.float32)
        filled[: len(part)] = part
        results.append(np.asarray(network(filled))[: len(part)])
    return np.concatenate(results)


@functools.cache
def _fitted(family: str):
    """The compiled network of a family with its weights; compiled once per image size."""
    return functools.partial(jax.jit(functools.partial(apply, family)), load_parameters(family))


def _kernels(kind: str, inner: int, outer: int) -> dict[str, tuple[int, int, int, float]]:
    """Kernels of a layer: name -> (size, input channels, output channels, gain)."""
    if kind == "residual":
        return {"a": (3, inner, outer, 1.0), "b": (3, outer, outer, 0.1)}
    if kind == "shuffle":
        return {"": (3, inner, 4 * outer, 1.0)}
    if kind in ("down", "transposed4"):
        return {"": (4, inner, outer, 2.0 if kind == "transposed4" else 1.0)}
    return {"": (3, inner, outer, {"image": 0.5, "transposed3": 2.0}.get(kind, 1.0))}


def _parameter(parameters: Parameters, layer: int, name: str = "") -> tuple[jax.Array, jax.Array]:
    return parameters[f"{layer}{name}.kernel"], parameters[f"{layer}{name}.bias"]


def _convolve(x, kernel, padding=1):
    pads = ((padding, padding), (padding, padding))
    return lax.conv_general_dilated(
        x, kernel, (1, 1), pads, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _conv(get, x, name=""):
    """3x3 convolution of [n, h, w, c] with zero padding."""
    kernel, bias = get(name)
    return _convolve(x, kernel) + bias


def strided_convolution(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    """4x4 convolution with stride 2 and one pixel of zero padding.

    Computed as a 2x2 convolution over 2x2 blocks, which is fast on a CPU, gradient included.

    Args:
        x: [n, h, w, c], h and w even; the result is [n, h / 2, w / 2, out].
        kernel: [4, 4, c, out].
        bias: [out].
    """
    inner, outer = kernel.shape[2:]
    kernel = kernel.reshape(2, 2, 2, 2, inner, outer).transpose(0, 2, 1, 3, 4, 5)
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    n, h, w, c = x.shape
    x = x.reshape(n, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 2, 4, 5)
    x = x.reshape(n, h // 2, w // 2, 4 * c)
    return _convolve(x, kernel.reshape(2, 2, 4 * inner, outer), 0) + bias


def transposed_convolution(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    """Transposed convolution with stride 2 that doubles height and width.

    Computed as a 3x3 convolution for each of the four output phases.

    Args:
        x: [n, h, w, c]; the result is [n, 2h, 2w, out].
        kernel: [k, k, c, out], k 3 or 4, indexed as a convolution of the zero-inserted input.
        bias: [out].
    """
    taps = _TAPS_3 if kernel.shape[0] == 3 else _TAPS_4
    kernel = jnp.einsum("tak,sbl,klio->tsiabo", taps, taps, kernel)
    return pixel_shuffle(_convolve(x, kernel.reshape(3, 3, x.shape[-1], -1))) + bias


def _taps(size, pairs):
    """0 or 1 [3, 2, k]: input offset -1, 0, 1; output phase; index into the kernel."""
    taps = np.zeros((3, 2, size), np.float32)
    for offset, phase, index in pairs:
        taps[offset + 1, phase, index] = 1
    return taps


# Output 2i + phase sees input i + offset through this element of the kernel.
_TAPS_4 = _taps(4, ((-1, 0, 0), (0, 0, 2), (0, 1, 1), (1, 1, 3)))
_TAPS_3 = _taps(3, ((0, 0, 1), (0, 1, 0), (1, 1, 2)))


def _activate(x):
    return jnp.where(x > 0, x, _SLOPE * x)


def _residual(get, x):
    return x + _conv(get, _activate(_conv(get, x, "a")), "b")


def upsample_nearest(x: jax.Array) -> jax.Array:
    """Repeats every pixel of [n, h, w, c] twice along height and width."""
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)


def _upsample(x, taps):
    """Doubles height and width; `taps` weigh the inputs below and above an even output."""
    reach = len(taps) // 2
    for axis in (1, 2):
        pads = [(reach, reach) if a == axis else (0, 0) for a in range(4)]
        padded = jnp.pad(x, pads, mode="edge")
        size = x.shape[axis]
        windows = [
            lax.slice_in_dim(padded, start, start + size, axis=axis)
            for start in range(2 * reach + 1)
        ]
        even = sum(w * window for w, window in zip(taps, windows, strict=False))
        odd = sum(w * window for w, window in zip(taps[::-1], windows[1:], strict=True))
        shape = list(x.shape)
        shape[axis] *= 2
        x = jnp.stack([even, odd], axis=axis + 1).reshape(shape)
    return x


def upsample_fir(x: jax.Array) -> jax.Array:
    """Doubles [n, h, w, c] by zero insertion and the FIR [1, 3, 3, 1] / 4; borders repeat."""
    return _upsample(x, (0.25, 0.75))


def upsample_bicubic(x: jax.Array) -> jax.Array:
    """Doubles [n, h, w, c] by cubic convolution, a = -0.75, half-pixel centres."""
    return _upsample(x, (-0.03515625, 0.26171875, 0.87890625, -0.10546875))


def pixel_shuffle(x: jax.Array) -> jax.Array:
    """[n, h, w, 4c] to [n, 2h, 2w, c]; channel (2 row + column) c + i goes to that place."""
    n, h, w, c = x.shape
    x = x.reshape(n, h, w, 2, 2, c // 4).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(n, 2 * h, 2 * w, c // 4)


_LAYERS = {
    "conv": lambda get, x: _activate(_conv(get, x)),
    "down": lambda get, x: _activate(strided_convolution(x, *get())),
    "latent": lambda get, x: _conv(get, x),
    "image": lambda get, x: _conv(get, x),
    "residual": _residual,
    "nearest": lambda get, x: _activate(_conv(get, upsample_nearest(x))),
    "fir": lambda get, x: _activate(_conv(get, upsample_fir(x))),
    "bicubic": lambda get, x: _activate(_conv(get, upsample_bicubic(x))),
    "shuffle": lambda get, x: _activate(pixel_shuffle(_conv(get, x))),
    "transposed4": lambda get, x: _activate(transposed_convolution(x, *get())),
    "transposed3": lambda get, x: _activate(transposed_convolution(x, *get())),
}
