"""Cross attention between the residual scales and the image's spectrum.

Tokens are the scales' mean features and, from a frequency branch, the columns of the mean
log-amplitude spectrum: one token per horizontal frequency. Each side asks the other (multi-head
attention of Vaswani et al., NeurIPS 2017, section 3.2.2, once, with normalisation before and a
residual connection after), and both sides' mean tokens go to a linear classifier.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from npr_jax.models import layers, window_spectra
from npr_jax.models.base import Prediction
from npr_jax.models.branches import BranchedModel
from npr_jax.models.resnet import ResNetShape
from npr_jax.residuals.front_end import NONE, FrontEnd, distinct


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
        """Args:
        backbone: of the branches.
        attention_features: length of the tokens, a multiple of the heads.
        attention_heads: of both attentions.
        rngs: the stream ``params`` draws the initial weights.
        settings: see ``BranchedModel``.
        """
        super().__init__(backbone=backbone, rngs=rngs, **settings)
        count = len(self.front_ends)
        self.scales = distinct([front_end.name for front_end in self.front_ends])
        self.front_ends = (*self.front_ends, FrontEnd(mode=NONE))
        self.grids = (*self.grids, window_spectra.WINDOW_GRID)
        width = attention_features
        self.scale_tokens = layers.torch_linear(backbone.features, width, rngs=rngs)
        self.scale_places = _places(count, width, rngs)
        self.frequency_tokens = layers.torch_linear(window_spectra.WINDOW, width, rngs=rngs)
        self.frequency_places = _places(window_spectra.BINS, width, rngs)
        self.scale_norm = nnx.LayerNorm(width, epsilon=1e-5, rngs=rngs)
        self.frequency_norm = nnx.LayerNorm(width, epsilon=1e-5, rngs=rngs)
        self.scales_ask = CrossAttention(width, attention_heads, rngs=rngs)
        self.frequencies_ask = CrossAttention(width, attention_heads, rngs=rngs)
        self.classifier = layers.torch_linear(2 * width, 1, rngs=rngs)

    def feature_maps(
        self, views: list[jax.Array], mask: jax.Array | None, examples: jax.Array | None
    ) -> list[jax.Array]:
        """The branches' maps, and the windows' log-amplitude spectra."""
        maps = super().feature_maps(views[:-1], mask, examples)
        return [*maps, window_spectra.log_amplitudes(views[-1])]

    def head(self, features: list[jax.Array]) -> Prediction:
        """See ``npr_jax.models.base.Model``; ``weights`` sum to 1 over the scales."""
        *scales, spectrum = features
        of_scales = self.scale_tokens(jnp.stack(scales, axis=1)) + self.scale_places[...]
        spectrum = spectrum.reshape(-1, window_spectra.BINS, window_spectra.WINDOW)
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
