"""Published PyTorch weights into our parameters, by a table of keys.

A table says which key of a state dict becomes which of our parameters, and how its array is
turned; every key is placed exactly once, and all that does not fit is reported together. The tables
of the published detectors are below (CLIP's are in clip_weights): most keep the names of
torchvision's ResNets, which count stages from 1 (``layer1``) and name a block's parts ``conv1``,
``bn1``, ..., and ``downsample.0``, ``downsample.1`` for the shortcut's convolution and
normalisation.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import TypeVar

import jax.numpy as jnp
import numpy as np
from flax import nnx

from input_pipeline.errors import UserError

Path = tuple[str | int, ...]
Arrays = Mapping[str, np.ndarray]
M = TypeVar("M", bound=nnx.Module)

# Counters of torch's batch norm: nothing of ours corresponds to them.
COUNTERS = r".*\.num_batches_tracked"


@dataclasses.dataclass(frozen=True)
class KeyRule:
    """One line of a table."""

    pattern: str  # regular expression that the whole torch key matches
    path: Callable[[re.Match[str]], Path]  # our parameter's path, from the match
    # torch's array to ours. Several rules may match one key: each takes its part
    transform: Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class KeyTable:
    """How one published state dict maps to our parameters."""

    title: str  # what the weights belong to, for messages: ``the NPR detector``
    rules: tuple[KeyRule, ...]  # tried on every key; each that matches takes the array
    ignored: str = COUNTERS  # regular expression of keys that nothing of ours corresponds to
    # our parameters that the keys must give all lie below this path; () means that every parameter
    # and running statistic of the model must be given
    under: Path = ()


def fixed(*path: str | int) -> Callable[[re.Match[str]], Path]:
    """A rule's path that does not depend on the match."""
    return lambda match: path


def same(array: np.ndarray) -> np.ndarray:
    """The array as it is."""
    return array


def kernel(array: np.ndarray) -> np.ndarray:
    """A convolution's weight: ``[out, in, height, width]`` to ``[height, width, in, out]``."""
    return array.transpose(2, 3, 1, 0)


def matrix(array: np.ndarray) -> np.ndarray:
    """A 1x1 convolution's weight ``[out, in, 1, 1]`` to ``[in, out]``."""
    return array.reshape(array.shape[:2]).T


def transposed(array: np.ndarray) -> np.ndarray:
    """A linear layer's weight ``[out, in]`` to ``[in, out]``."""
    if array.ndim != 2:
        raise UserError("not a matrix")
    return array.T


def problems_of(table: KeyTable, model: nnx.Module, arrays: Arrays) -> list[str]:
    """What keeps the arrays from being the model's weights; empty: they fit."""
    return _place_all(table, _wanted(table, nnx.state(model)), arrays)[1]


def fill(model: M, table: KeyTable, arrays: Arrays) -> M:
    """The model with the arrays in place of its own, which may be abstract.

    What does not lie under ``table.under`` keeps its value. ``UserError`` lists every unknown key,
    every parameter that no key gives, and every array whose shape does not fit, with both shapes.
    """
    graphdef, state = nnx.split(model)
    return nnx.merge(graphdef, fill_state(state, table, arrays))


def fill_state(state: nnx.State, table: KeyTable, arrays: Arrays) -> nnx.State:
    """As ``fill``, of a model's variables alone."""
    wanted = _wanted(table, state)
    values, problems = _place_all(table, wanted, arrays)
    if problems:
        raise UserError(refusal(table, problems))
    flat = dict(nnx.to_flat_state(state))
    for path, value in values.items():
        flat[path] = wanted[path].replace(jnp.array(value))
    return nnx.from_flat_state(list(flat.items()))


def refusal(table: KeyTable, problems: list[str], shown: int = 0) -> str:
    """The message of a state dict that does not fit, with so many problems; 0: all."""
    keys = {problem.split(":")[0] for problem in problems if not problem.startswith("missing:")}
    lines = problems[:shown] if shown else problems
    if len(lines) < len(problems):
        lines = [*lines, f"... and {len(problems) - len(lines)} more"]
    return (
        f"the state dict does not fit {table.title} ({len(problems)} problems, "
        f"{len(keys)} keys at fault):\n  " + "\n  ".join(lines)
    )


def _wanted(table: KeyTable, state: nnx.State) -> dict[Path, nnx.Variable]:
    depth = len(table.under)
    return {
        path: variable
        for path, variable in nnx.to_flat_state(state)
        if path[:depth] == table.under and not isinstance(variable, nnx.RngState)
    }


def _place_all(
    table: KeyTable, wanted: Mapping[Path, nnx.Variable], arrays: Arrays
) -> tuple[dict[Path, np.ndarray], list[str]]:
    """Our arrays by path, and all problems in words, one a line."""
    rules = [(re.compile(rule.pattern), rule) for rule in table.rules]
    values: dict[Path, np.ndarray] = {}
    problems: list[str] = []
    for name, array in arrays.items():
        if re.fullmatch(table.ignored, name):
            continue
        matches = [(pattern.fullmatch(name), rule) for pattern, rule in rules]
        targets = [(rule.path(match), rule) for match, rule in matches if match]
        if not targets or any(path not in wanted for path, _ in targets):
            problems.append(f"{name}: no such parameter in {table.title}")
            continue
        placed = [_place(values, wanted[p], p, name, np.asarray(array), r) for p, r in targets]
        problems += [problem for problem in placed if problem]
    missing = [path for path in wanted if path not in values]
    problems += [f"missing: nothing gives {'.'.join(map(str, path))}" for path in missing]
    return values, problems


def _place(values, variable, path: Path, name: str, array: np.ndarray, rule: KeyRule) -> str | None:
    """Puts one array where it belongs; returns what is wrong with it, if anything."""
    if path in values:
        return f"{name}: a second array for {'.'.join(map(str, path))}"
    expected = variable.get_value().shape
    try:
        placed = rule.transform(array)
    except (IndexError, ValueError):
        placed = None
    if placed is None or placed.shape != expected:
        return f"{name}: shape {array.shape} does not become {expected}"
    if not jnp.issubdtype(placed.dtype, jnp.floating):
        return f"{name}: expected finite floating-point numbers, got {placed.dtype}"
    # Half-precision files are widened: our parameters are float32.
    placed = placed.astype(np.float32, copy=False)
    if not np.isfinite(placed).all():
        return f"{name}: expected finite floating-point numbers, got NaN or infinity"
    values[path] = placed
    return None


NORM = {"weight": "scale", "bias": "bias", "running_mean": "mean", "running_var": "var"}
NORM_LEAF = "(weight|bias|running_mean|running_var)"
_BLOCK = r"layer(\d)\.(\d+)\."
_SHORTCUT = {"downsample.0": ("projection", "conv"), "downsample.1": ("projection", "bn")}


def kernel_or_matrix(array: np.ndarray) -> np.ndarray:
    """A convolution's weight as we keep it: 1x1 ones, which LaDeDa has here, as matrices."""
    return matrix(array) if array.shape[2:] == (1, 1) else kernel(array)


def norm_rule(name: str, *path: str | int) -> KeyRule:
    """The four arrays of the batch normalisation ``name`` (a regular expression)."""
    return KeyRule(rf"{name}\.{NORM_LEAF}", lambda m: (*path, NORM[m[m.re.groups]]), same)


def linear_rules(name: str, *path: str | int) -> tuple[KeyRule, ...]:
    """Weight and bias of a linear layer."""
    return (
        KeyRule(rf"{name}\.weight", fixed(*path, "kernel"), transposed),
        KeyRule(rf"{name}\.bias", fixed(*path, "bias"), same),
    )


def stem_rules(*root: str | int) -> tuple[KeyRule, ...]:
    """The first convolution and its normalisation."""
    convolution = KeyRule(r"conv1\.weight", fixed(*root, "conv1", "kernel"), kernel)
    return convolution, norm_rule("bn1", *root, "bn1")


def bottleneck_rules(*root: str | int) -> tuple[KeyRule, ...]:
    """All stages of bottleneck blocks, below the path ``root``."""

    def inside(match: re.Match[str], leaf: str) -> Path:
        part = _SHORTCUT.get(match[3], (match[3],))
        return (*root, "stages", int(match[1]) - 1, int(match[2]), *part, leaf)

    convolution = _BLOCK + r"(conv[123]|downsample\.0)\.weight"
    norm = _BLOCK + rf"(bn[123]|downsample\.1)\.{NORM_LEAF}"
    return (
        KeyRule(convolution, lambda m: inside(m, "kernel"), kernel_or_matrix),
        KeyRule(norm, lambda m: inside(m, NORM[m[4]]), same),
    )


# Tan et al., CVPR 2024.
NPR = KeyTable(
    title="the NPR detector",
    rules=(
        *stem_rules("backbone"),
        *bottleneck_rules("backbone"),
        *linear_rules("fc1", "classifier"),
    ),
)
# Li et al., KDD 2025: the keys of the code that SAFE builds on; we have not seen a file. The two
# rows of the head tell the file from NPR's.
SAFE = dataclasses.replace(NPR, title="SAFE")
# Wang et al., CVPR 2020: torchvision's keys, one output.
CNNDETECTION = KeyTable(
    title="the CNNDetection detector",
    rules=(
        *stem_rules("backbone"),
        *bottleneck_rules("backbone"),
        *linear_rules("fc", "classifier"),
    ),
)
# torchvision's ResNet-50 of ImageNet, as the start of a training: its classifier is dropped.
IMAGENET = KeyTable(
    title="torchvision's ResNet-50",
    rules=(*stem_rules("backbone"), *bottleneck_rules("backbone")),
    ignored=COUNTERS + r"|fc\.(weight|bias)",
    under=("backbone",),
)
# Cavia et al., 2024, under the names of the BagNet that it is built on. Known from the papers: the
# layers and their shapes. Not known to us, since the published code was not read: whether the
# residual is multiplied by NPR's 2/3 (we do), and whether its authors renamed a layer (a file that
# differs is refused with the keys at fault).
LADEDA = KeyTable(
    title="the LaDeDa detector",
    rules=(
        KeyRule(r"conv1\.weight", fixed("backbone", "conv1", "kernel"), matrix),
        KeyRule(r"conv2\.weight", fixed("backbone", "conv2", "kernel"), kernel),
        norm_rule("bn1", "backbone", "bn1"),
        *bottleneck_rules("backbone"),
        *linear_rules("fc", "classifier"),
    ),
)

_PARTS = {"real": "real", "imag": "imaginary"}


def _frequency_layer(match: re.Match[str], *rest: str) -> Path:
    return ("frequency", int(match["layer"]) - 1, *rest)


# Tan et al., AAAI 2024. Keys as far as we know them, without having seen a file: ``weightN`` and
# ``biasN`` of the 1x1 convolutions between the spectra, N from 1 to 4, ``realconvN.weight`` and
# ``imagconvN.weight`` of FCL, torchvision's for the two stages, ``fc1`` for the head.
FREQNET = KeyTable(
    title="FreqNet",
    rules=(
        KeyRule(r"weight(?P<layer>[1-4])", lambda m: _frequency_layer(m, "conv", "kernel"), matrix),
        KeyRule(r"bias(?P<layer>[1-4])", lambda m: _frequency_layer(m, "bias"), same),
        KeyRule(
            r"(real|imag)conv(?P<layer>[1-4])\.weight",
            lambda m: _frequency_layer(m, _PARTS[m[1]], "kernel"),
            matrix,
        ),
        *bottleneck_rules(),
        *linear_rules("fc1", "classifier"),
    ),
)
