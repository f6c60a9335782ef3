"""The plain frequency baseline: a logistic regression on the radial power spectrum.

The azimuthally averaged power spectrum as a detector of generated images: Durall et al.,
"Watch your Up-Convolution", CVPR 2020, section 3. Here it is taken in windows of grey pixels,
so that images of any size share one feature vector, and its logarithm is averaged over them.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from npr_jax.models import layers
from npr_jax.models.base import Grid, Maps, Mask, Prediction
from npr_jax.models.systems.system import Rule, System, is_integer
from npr_jax.residuals.front_end import FrontEnd

# ITU-R BT.601, as Pillow's conversion to grey.
GREY = (0.299, 0.587, 0.114)
# Of pixel values in [0, 1]: far below the power that rounding to 8 bits leaves in a ring.
FLOOR = 1e-8


class Spectrum(nnx.Module):
    """``window // 2 + 1`` rings of log power, standardised, then one linear layer."""

    whole = False
    scales = ()

    def __init__(self, *, window: int, rngs: nnx.Rngs):
        """``window``: pixels, side of the square windows, which lie side by side."""
        self.window = window
        rings = window // 2 + 1
        self.front_ends = (FrontEnd(mode="none", scale=(1.0 / 255.0,) * 3),)
        self.grids = (Grid(stride=window, reach=window, field=window),)
        self.standardise = Standardise(rings)
        self.classifier = layers.torch_linear(rings, 1, rngs=rngs)

    def feature_maps(self, views: Maps, mask: Mask, examples: Mask) -> Maps:
        """See ``npr_jax.models.base.Model``; windows beside the image are not counted."""
        del mask
        grey = jnp.einsum("bhwc,c->bhw", views[0], jnp.array(GREY), precision="highest")
        return [self.standardise(log_power(grey, self.window), examples)]

    def head(self, features: list[jax.Array]) -> Prediction:
        """See ``npr_jax.models.base.Model``."""
        return Prediction(self.classifier(features[0])[:, 0], None)

    def position_logits(self, maps: list[jax.Array], prediction: Prediction) -> jax.Array:
        """What each window adds, float32 ``[b, h, w]``; their mean is the logit."""
        del prediction
        return self.classifier(maps[0])[..., 0]


class Standardise(nnx.BatchNorm):
    """Each feature by its running mean and deviation; nothing is learned by gradients.

    As in every batch normalisation, a training step uses the statistics of its own batch.
    """

    def __init__(self, features: int):
        super().__init__(
            features, momentum=0.9, epsilon=1e-5, use_bias=False, use_scale=False, rngs=nnx.Rngs(0)
        )

    def __call__(self, x: jax.Array, examples: jax.Array | None = None) -> jax.Array:
        """``[b, h, w, features]`` standardised; ``examples`` as in ``layers.BatchNorm``."""
        return super().__call__(x, mask=examples)


def log_power(grey: jax.Array, window: int) -> jax.Array:
    """Log of the mean power on rings of equal frequency, per window.

    ``grey`` is float32 ``[b, h, w]`` in [0, 1], at least one window large; what is left at the
    right and the bottom is not used. Returns float32
    ``[b, h // window, w // window, window // 2 + 1]``; ring k holds the frequencies whose distance
    from zero rounds to k cycles per window, corners beyond are left out.
    """
    batch = grey.shape[0]
    rows, columns = grey.shape[1] // window, grey.shape[2] // window
    parts = grey[:, : rows * window, : columns * window]
    parts = parts.reshape(batch, rows, window, columns, window).transpose(0, 1, 3, 2, 4)
    spectrum = jnp.fft.rfft2(parts * _hann(window))
    power = (spectrum.real**2 + spectrum.imag**2).reshape(*parts.shape[:3], -1)
    # In full precision: an accelerator's shortened products would drown weak rings.
    return jnp.log(jnp.matmul(power, _rings(window), precision="highest") + FLOOR)


def _hann(window: int) -> np.ndarray:
    """Periodic Hann window of two axes, float32 ``[window, window]``; its squares add up to 1."""
    axis = np.hanning(window + 1)[:-1]
    axis /= np.sqrt((axis**2).sum())
    return np.outer(axis, axis).astype(np.float32)


@functools.cache
def _rings(window: int) -> np.ndarray:
    """Averages the half spectrum over rings: float32 ``[window * (window // 2 + 1), rings]``."""
    rows = np.fft.fftfreq(window, 1 / window)
    columns = np.arange(window // 2 + 1)
    distance = np.rint(np.hypot(rows[:, None], columns)).astype(int)
    # Columns between the first and the last stand for their mirror images too.
    count = np.where((columns == 0) | (columns == window // 2), 1.0, 2.0)
    member = (distance.reshape(-1, 1) == np.arange(window // 2 + 1)) * np.tile(count, window)[
        :, None
    ]
    return (member / member.sum(0)).astype(np.float32)


SYSTEM = System(
    # Whatever the dtype: a Fourier transform in half precision would be noise at high frequencies.
    build=lambda config, dtype, rngs: Spectrum(window=config.window, rngs=rngs),
    rules={"window": Rule(lambda v: is_integer(v) and v in (8, 16, 32), "8, 16 or 32 (pixels)")},
    paper="baseline: radial power spectrum, Durall et al., Watch your Up-Convolution, CVPR 2020",
)
