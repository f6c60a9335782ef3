"""The ``list`` command: every system with its size and the arithmetic of one image."""

import importlib
from typing import NamedTuple

import jax
from flax import nnx

from npr_jax.models.base import Frozen, Model, count_parameters, predict
from npr_jax.models.systems.registry import SYSTEMS, build_model

DEFAULT_SIDE = 256  # pixels, where a recipe evaluates images at their own size


class Listed(NamedTuple):
    """One system as its recipe makes it.

    ``flops``: of one image of ``side`` x ``side`` pixels, forward, as XLA's cost analysis counts
    them before optimisation (a multiplication and an addition are two).
    """

    name: str
    parameters: int
    frozen: int
    flops: float
    side: int
    paper: str


def list_systems() -> list[Listed]:
    """Every system of the registry as ``configs/<name>.py`` describes it; nothing is computed."""
    rows = []
    for name, system in SYSTEMS.items():
        config = importlib.import_module(f"configs.{name}").get_config()
        model = nnx.eval_shape(
            lambda c=config: build_model(c.model, nnx.Rngs(params=0), load=False)
        )
        data = config.data
        side = data.evaluate_crop or data.evaluate_resize or DEFAULT_SIDE
        trained, frozen = count_parameters(model), count_parameters(model, Frozen)
        rows.append(Listed(name, trained, frozen, count_flops(model, side), side, system.paper))
    return rows


def count_flops(model: Model, side: int) -> float:
    """Floating-point operations of scoring one square image, from XLA's cost analysis.

    The model's arrays may be abstract, as ``nnx.eval_shape`` gives them.
    """
    model.eval()
    graphdef, variables = nnx.split(model)
    image = jax.ShapeDtypeStruct((1, side, side, 3), "uint8")
    lowered = jax.jit(lambda v, x: predict(nnx.merge(graphdef, v), x).logits).lower(
        variables, image
    )
    return (lowered.cost_analysis() or {})["flops"]


def format_systems() -> str:
    """The systems as a table for the terminal."""
    rows = list_systems()
    width = max(len(row.name) for row in rows)
    head = f"{'system':{width}}  {'parameters':>11}  {'frozen':>11}  {'GFLOPs':>7}  {'pixels':>7}"
    lines = [f"{head}  described in"]
    for row in rows:
        frozen = f"{row.frozen:,}" if row.frozen else "-"
        numbers = f"{row.parameters:>11,}  {frozen:>11}  {row.flops / 1e9:>7.2f}"
        lines.append(f"{row.name:{width}}  {numbers}  {row.side:>3}x{row.side:<3}  {row.paper}")
    lines.append("GFLOPs: one image of that size, forward, by XLA's cost analysis.")
    return "\n".join(lines)
