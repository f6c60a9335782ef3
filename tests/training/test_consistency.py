"""The term of the loss that compares two views of the same images."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from npr_jax.config import check_config
from npr_jax.training.step import disagreement
from tests import runs


def test_it_is_the_symmetric_divergence_of_the_predictions():
    logits = np.array([0.3, -1.2, 2.0, 0.1, 5.0, 5.0, 5.0, 5.0], np.float32)
    mask = np.array([1, 1, 1, 1, 0, 0, 0, 0], np.float32)

    def two(logit):
        return special.expit([logit, -logit])

    def symmetric(a, b):
        return stats.entropy(two(a), two(b)) + stats.entropy(two(b), two(a))

    expected = (symmetric(0.3, 2.0) + symmetric(-1.2, 0.1)) / 2
    found = float(disagreement(jnp.array(logits), jnp.array(mask)))
    assert found == pytest.approx(expected, rel=1e-5)
    assert float(disagreement(jnp.ones(8), jnp.array(mask))) == 0


def test_it_needs_couples(tiny_data):
    said = r"consistency is 0\.5, which compares the views of couples"
    with pytest.raises(ValueError, match=said):
        check_config(runs.tiny_config(tiny_data, consistency=0.5))
