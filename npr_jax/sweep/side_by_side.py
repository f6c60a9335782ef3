"""Several runs that differ in numbers only, as one program: their states stacked and mapped over.

A run by itself is not stacked: its program is the plain one, without a mapped axis of length 1,
which would turn convolutions into slow grouped ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np


def stack(trees: Sequence[Any]) -> Any:
    """One pytree whose arrays have a leading axis over the runs; of one run the tree itself."""
    if len(trees) == 1:
        return trees[0]
    return jax.tree.map(lambda *leaves: _stacked(leaves), *trees)


def _stacked(leaves: Sequence[Any]) -> Any:
    on_host = all(isinstance(leaf, np.ndarray) for leaf in leaves)
    return np.stack(leaves) if on_host else jax.numpy.stack(leaves)


def member(tree: Any, index: int, count: int) -> Any:
    """The tree of one of ``count`` runs."""
    return tree if count == 1 else jax.tree.map(lambda leaf: leaf[index], tree)


def over_runs(function: Callable, count: int) -> Callable:
    """The function of one run's arguments, for those of ``count`` runs stacked."""
    return function if count == 1 else jax.vmap(function)
