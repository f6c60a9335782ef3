"""Cross attention between the residual scales and the image's spectrum.

Tokens are the scales' mean features and, from a frequency branch, the columns of the mean
log-amplitude spectrum: one token per horizontal frequency. Each side asks the other (multi-head
attention of Vaswani et al., NeurIPS 2017, section 3.2.2, once, with normalisation before and a
residual connection after), and both sides' mean tokens go to a linear classifier.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from npr_jax.models import layers
from npr_jax.models.base import Grid, Maps, Mask, Prediction
from npr_jax.models.fusion import BranchedModel
from npr_jax.models.resnet import ResNetShape
from npr_jax.residuals.front_end import NONE, FrontEnd, distinct

WINDOW = 32  # pixels: the smallest image is one window
STRIDE = WINDOW // 2  # half a Hann window, so that all pixels count about alike (Welch, 1967)
BINS = WINDOW // 2 + 1  # horizontal frequencies 0, 1/32, ..., 1/2 cycles per pixel
# Windows that do not lie inside the image have no position: the mean over positions is the
# mean over whole windows, whatever padding or tiles surround them.
WINDOW_GRID = Grid(stride=STRIDE, reach=WINDOW, field=WINDOW)
# Weights of red, green and blue in grey, ITU-R BT.601.
GREY = (0.299, 0.587, 0.114)


def log_amplitudes(pixels: jax.Array) -> jax.Array:
    """Spectra of all windows of 32x32 pixels at steps of 16, as a feature map that can be tiled.

    ``pixels`` are float32 ``[b, h, w, 3]``, values 0 to 255, sides at least 32. Returns
    ``log(1 + |F|)`` of the grey, Hann-windowed pixels: float32
    ``[b, (h - 32) // 16 + 1, (w - 32) // 16 + 1, 17 * 32]``, horizontal frequencies outside,
    vertical ones (0 to 31, from 17 on the negative ones) inside. Quantisation to 8 bits alone gives
    ``|F|`` of about 3.5.
    """
    grey = (pixels * np.array(GREY, np.float32)).sum(axis=-1)
    rows, columns = (STRIDE * np.arange(WINDOW_GRID.positions(n)) for n in grey.shape[1:])
    inside = np.arange(WINDOW)
    # [b, windows down, 32, windows along, 32]
    windows = grey[:, rows[:, None] + inside][..., columns[:, None] + inside]
    # The periodic Hann window, as for spectra.
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * inside / WINDOW)).astype(np.float32)
    windows = windows * hann[:, None, None] * hann
    spectra = jnp.fft.fft(jnp.fft.rfft(windows, axis=4), axis=2)
    spectra = jnp.log1p(jnp.abs(spectra)).transpose(0, 1, 3, 4, 2)
    return spectra.reshape(*spectra.shape[:3], BINS * WINDOW)


class CrossAttention(nnx.Module):
    """Multi-head attention from one set of tokens to another."""

    def __init__(self, features: int, heads: int, *, rngs: nnx.Rngs):
        self.heads = heads
        self.query = layers.torch_linear(features, features, rngs=rngs)
        self.key = layers.torch_linear(features, features, rngs=rngs)
        self.value = layers.torch_linear(features, features, rngs=rngs)
        self.out = layers.torch_linear(features, features, rngs=rngs)

    def __call__(self, asking: jax.Array, asked: jax.Array) -> tuple[jax.Array, jax.Array]:
        """``[b, n, f]`` asks ``[b, m, f]``: gives ``[b, n, f]`` and the weights ``[b, n, m]``.

        The weights are means over the heads and sum to 1 over ``m``.
        """
        query = self._split(self.query(asking))
        key, value = self._split(self.key(asked)), self._split(self.value(asked))
        scores = jnp.einsum("bnhd,bmhd->bhnm", query, key) * query.shape[-1] ** -0.5
        weights = nnx.softmax(scores, axis=-1)
        mixed = jnp.einsum("bhnm,bmhd->bnhd", weights, value)
        return self.out(mixed.reshape(asking.shape)), weights.mean(axis=1)

    def _split(self, x: jax.Array) -> jax.Array:
        return x.reshape(*x.shape[:2], self.heads, -1)


class Cross(BranchedModel):
    """Residual branches and a frequency branch that attend to each other.

    The reported weights are those that the frequency tokens give to the scales, averaged over
    heads and frequencies. The head is not linear in the features, so single positions have no
    share in the logit.
    """

    def __init__(
        self,
        *,
        backbone: ResNetShape,
        attention_features: int,
        attention_heads: int,
        rngs: nnx.Rngs,
        **settings,
    ):
        """``attention_features``: length of the tokens, a multiple of the ``attention_heads``.

        ``settings``: see ``BranchedModel``.
        """
        super().__init__(backbone=backbone, rngs=rngs, **settings)
        count = len(self.front_ends)
        self.scales = distinct([front_end.name for front_end in self.front_ends])
        self.front_ends = (*self.front_ends, FrontEnd(mode=NONE))
        self.grids = (*self.grids, WINDOW_GRID)
        width = attention_features
        self.scale_tokens = layers.torch_linear(backbone.features, width, rngs=rngs)
        self.scale_places = _places(count, width, rngs)
        self.frequency_tokens = layers.torch_linear(WINDOW, width, rngs=rngs)
        self.frequency_places = _places(BINS, width, rngs)
        self.scale_norm = nnx.LayerNorm(width, epsilon=1e-5, rngs=rngs)
        self.frequency_norm = nnx.LayerNorm(width, epsilon=1e-5, rngs=rngs)
        self.scales_ask = CrossAttention(width, attention_heads, rngs=rngs)
        self.frequencies_ask = CrossAttention(width, attention_heads, rngs=rngs)
        self.classifier = layers.torch_linear(2 * width, 1, rngs=rngs)

    def feature_maps(self, views: Maps, mask: Mask, examples: Mask) -> Maps:
        """The branches' maps, and the windows' log-amplitude spectra."""
        maps = super().feature_maps(views[:-1], mask, examples)
        return [*maps, log_amplitudes(views[-1])]

    def head(self, features: list[jax.Array]) -> Prediction:
        """See ``npr_jax.models.base.Model``; ``weights`` sum to 1 over the scales."""
        *scales, spectrum = features
        of_scales = self.scale_tokens(jnp.stack(scales, axis=1)) + self.scale_places[...]
        spectrum = spectrum.reshape(-1, BINS, WINDOW)
        of_frequencies = self.frequency_tokens(spectrum) + self.frequency_places[...]
        normal_scales = self.scale_norm(of_scales)
        normal_frequencies = self.frequency_norm(of_frequencies)
        answers, _ = self.scales_ask(normal_scales, normal_frequencies)
        replies, weights = self.frequencies_ask(normal_frequencies, normal_scales)
        both = [(of_scales + answers).mean(axis=1), (of_frequencies + replies).mean(axis=1)]
        logits = self.classifier(jnp.concatenate(both, axis=-1))[:, 0]
        return Prediction(logits, weights.mean(axis=1))


def _places(count: int, width: int, rngs: nnx.Rngs) -> nnx.Param:
    """What tells one token from the next, learned; small at first beside the tokens."""
    return nnx.Param(0.02 * jax.random.normal(rngs.params(), (count, width), jnp.float32))
