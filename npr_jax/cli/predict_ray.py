"""``predict --engine=ray``: its own flags, and what it says of those that are plain predict's."""

from collections.abc import Sequence
from typing import Any

from input_pipeline.errors import UserError
from npr_jax.cli.command import integer, text

RAY = "ray"
RAY_FLAGS = (
    text(
        "address",
        "With --engine=ray: the Ray cluster, auto or HOST:6379. Without it: this machine alone.",
    ),
    integer(
        "workers",
        0,
        "With --engine=ray: number of workers. 0: one for each GPU or, without any, for each core "
        "(of a cluster, for each but one).",
        lowest=0,
    ),
    integer(
        "block_rows",
        256,
        "With --engine=ray: pictures that are scored and noted together.",
        lowest=1,
    ),
)
# What only the process itself can do, which one engine alone does.
_OTHERS = (
    *("format", "excel", "resume", "examples", "maps", "evidence", "heat_map"),
    *("provenance", "trust_list", "precision"),
)


def check_ray_flags(flags: Any) -> None:
    """Raises ``UserError`` for flags of the one engine that are given to the other."""
    if flags.engine != RAY:
        if given := _given(flags, ("address", "workers", "block_rows")):
            raise UserError(f"--{given[0]} is of --engine=ray; give both, or leave it out")
        return
    if given := _given(flags, _OTHERS):
        raise UserError(f"--{given[0]} is not of --engine=ray; leave one of the two out")
    if not flags.output:
        raise UserError("--engine=ray writes Parquet files; give --output=FOLDER")


def _given(flags: Any, names: Sequence[str]) -> list[str]:
    """Those of the flags that ask for something else than they do when left out."""
    return [name for name in names if flags[name].value != flags[name].default]


def predict_by_ray(detector: Any, flags: Any, words: list[str]) -> int:
    """Scores what the words name; returns the exit status."""
    from npr_jax.cluster.predict import predict_on_ray

    return predict_on_ray(
        detector,
        words,
        flags.output,
        confidence=flags.confidence,
        address=flags.address,
        workers=flags.workers,
        block_rows=flags.block_rows,
    )
