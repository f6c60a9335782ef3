"""CLIP's vision tower: size by arithmetic, refusals, and what it computes without torch.

Its numbers are compared with transformers' in tests/models/pretrained/test_clip_weights.py.
"""

import jax
import numpy as np
import pytest
from flax import nnx

from npr_jax.models.clip import VIT_L14, ClipShape, ClipVision, LayerNorm

TINY = ClipShape(image_side=32, patch=16, width=16, layers=2, heads=2, hidden=32, projection=8)


class Kept(nnx.Variable):
    """A kind of variable that is not trained."""


def size_of(shape):
    model = nnx.eval_shape(lambda: ClipVision(shape, rngs=nnx.Rngs(0)))
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))


def test_vit_l14_has_the_published_number_of_parameters():
    width, hidden = 1024, 4096
    embedding = 3 * 14 * 14 * width + width + (16 * 16 + 1) * width
    norm = 2 * width
    attention = 4 * (width * width + width)
    feed_forward = width * hidden + hidden + hidden * width + width
    blocks = 24 * (2 * norm + attention + feed_forward)
    assert embedding + norm + blocks + norm == 303_179_776, "as published, without projection"
    assert size_of(VIT_L14) == 303_179_776 + width * 768 == 303_966_208


def test_layer_norm_against_numpy():
    x = np.random.default_rng(0).normal(3, 5, (4, 7, 16))
    norm = LayerNorm(16, kind=nnx.Param, dtype=np.float32)
    expected = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(norm(x), expected, atol=1e-5)


def test_every_number_is_of_the_kind_asked_for():
    tower = ClipVision(TINY, kind=Kept, rngs=nnx.Rngs(0))
    assert not jax.tree.leaves(nnx.state(tower, nnx.Param))
    assert sum(leaf.size for leaf in jax.tree.leaves(nnx.state(tower, Kept))) == size_of(TINY)


def test_an_embedding_does_not_depend_on_the_other_images():
    tower = jax.jit(ClipVision(TINY, rngs=nnx.Rngs(0)))
    x = np.random.default_rng(1).normal(size=(3, 32, 32, 3)).astype(np.float32)
    together = tower(x)
    assert together.shape == (3, 8)
    for row in range(3):
        np.testing.assert_allclose(tower(x[row : row + 1])[0], together[row], atol=1e-5)
    assert np.abs(together[0] - together[1]).max() > 1e-3


def test_images_of_another_size_are_refused():
    tower = ClipVision(TINY, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"40x32 pixels; this vision tower takes 32x32"):
        tower(np.zeros((1, 40, 32, 3), np.float32))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_side": 225}, "image_side is 225; expected a multiple of patch, 14"),
        ({"heads": 3}, "width is 1024; expected a multiple of heads, 3"),
        ({"layers": 0}, "layers is 0; expected at least 1"),
    ],
)
def test_shapes_that_cannot_be(changes, message):
    with pytest.raises(ValueError, match=message):
        ClipShape(**changes)
