"""Published NPR weights into our parameters: one table, every key matched exactly once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from npr_jax.front_end import paper_front_end
from npr_jax.models.npr import NPR
from npr_jax.models.resnet import CUT_RESNET50

CONV = (2, 3, 1, 0)  # OIHW -> HWIO
_NORM = {"weight": "scale", "bias": "bias", "running_mean": "mean", "running_var": "var"}
_NORM_LEAF = "(weight|bias|running_mean|running_var)"
# Counters of torch's batch norm: nothing of ours corresponds to them.
_IGNORED = re.compile(r".*\.num_batches_tracked")


def _rules() -> list[tuple[re.Pattern[str], Callable, Callable]]:
    """(torch key, our path from the match, array transformation); tried in order."""

    def block(match):
        return ("backbone", "stages", int(match[1]) - 1, int(match[2]))

    def matrix(a):
        return a[:, :, 0, 0].T

    def kernel(a):
        return a.transpose(CONV)

    def same(a):
        return a

    table: list[tuple[str, Callable, Callable]] = [
        (r"conv1\.weight", lambda m: ("backbone", "conv1", "kernel"), kernel),
        (rf"bn1\.{_NORM_LEAF}", lambda m: ("backbone", "bn1", _NORM[m[1]]), same),
        (
            r"layer(\d)\.(\d+)\.conv([13])\.weight",
            lambda m: (*block(m), f"conv{m[3]}", "kernel"),
            matrix,
        ),
        (r"layer(\d)\.(\d+)\.conv2\.weight", lambda m: (*block(m), "conv2", "kernel"), kernel),
        (
            rf"layer(\d)\.(\d+)\.bn([123])\.{_NORM_LEAF}",
            lambda m: (*block(m), f"bn{m[3]}", _NORM[m[4]]),
            same,
        ),
        (
            r"layer(\d)\.(\d+)\.downsample\.0\.weight",
            lambda m: (*block(m), "projection", "conv", "kernel"),
            matrix,
        ),
        (
            rf"layer(\d)\.(\d+)\.downsample\.1\.{_NORM_LEAF}",
            lambda m: (*block(m), "projection", "bn", _NORM[m[3]]),
            same,
        ),
        (r"fc1\.weight", lambda m: ("classifier", "kernel"), np.transpose),
        (r"fc1\.bias", lambda m: ("classifier", "bias"), same),
    ]
    return [(re.compile(pattern), path, transform) for pattern, path, transform in table]


def from_torch_state_dict(state_dict: Mapping[str, np.ndarray]) -> NPR:
    """The NPR detector (factor 0.5, nearest) with the given published weights.

    Args:
        state_dict: torch names to arrays in torch's layout, with or without
            ``num_batches_tracked``.

    Raises:
        ValueError: listing together every unknown key, every parameter that no key gives,
            and every array whose shape does not fit, with both shapes.
    """
    model = nnx.eval_shape(
        lambda: NPR(front_end=paper_front_end(0.5), backbone=CUT_RESNET50, rngs=nnx.Rngs(0))
    )
    graphdef, abstract = nnx.split(model)
    wanted = dict(nnx.to_flat_state(abstract))
    values: dict = {}
    problems: list[str] = []
    rules = _rules()
    for name, array in state_dict.items():
        if _IGNORED.fullmatch(name):
            continue
        hits = [(r.fullmatch(name), path, transform) for r, path, transform in rules]
        hits = [hit for hit in hits if hit[0]]
        path = hits[0][1](hits[0][0]) if hits else None
        if path not in wanted:
            problems.append(f"{name}: no such parameter in the NPR detector")
            continue
        problem = _place(values, wanted[path], path, name, np.asarray(array), hits[0][2])
        if problem:
            problems.append(problem)
    missing = [path for path in wanted if path not in values]
    claimed = {problem.split(":")[0] for problem in problems}
    problems += [f"missing: nothing gives {'.'.join(map(str, path))}" for path in missing]
    if problems:
        raise ValueError(
            f"the state dict does not fit the NPR detector ({len(problems)} problems, "
            f"{len(claimed)} keys at fault):\n  " + "\n  ".join(problems)
        )
    flat = [(path, wanted[path].replace(jnp.asarray(value))) for path, value in values.items()]
    return nnx.merge(graphdef, nnx.from_flat_state(flat))


def _place(values, variable, path, name, array, transform) -> str | None:
    """Puts one array where it belongs; returns what is wrong with it, if anything."""
    if path in values:
        return f"{name}: a second array for {'.'.join(map(str, path))}"
    expected = variable.get_value().shape
    try:
        placed = transform(array)
    except (IndexError, ValueError):
        placed = None
    if placed is None or placed.shape != expected:
        return f"{name}: shape {array.shape} does not become {expected}"
    if not np.issubdtype(placed.dtype, np.floating) or not np.isfinite(placed).all():
        return f"{name}: expected finite floating-point numbers, got {placed.dtype}"
    values[path] = placed.astype(jax.dtypes.canonicalize_dtype(np.float32))
    return None
