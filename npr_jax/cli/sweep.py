"""``sweep``: many runs from one file."""

import pathlib
import sys
from typing import Any

from npr_jax.cli.command import Command, Options

RECIPES = "configs/sweeps"


def _define(options: Options) -> None:
    options.text(
        "workdir",
        "Directory of the sweep, made where missing; finished runs there are not repeated.",
    )
    options.text(
        "shard",
        "Every n-th run from number i on, which counts from 0; to share a sweep among machines.",
    )
    options.integer(
        "side_by_side",
        1,
        "Up to so many runs that differ in seed and learning rate only are trained as one program.",
    )


def _sweep(flags: Any) -> int:
    from ml_collections import config_flags

    from npr_jax.cli import host
    from npr_jax.cli.recipe import recipe_of
    from npr_jax.sweep.execute import run_sweep
    from npr_jax.sweep.grid import parse_shard

    config = recipe_of("sweep", flags, RECIPES)
    host.keep_freed_memory()
    tally = run_sweep(
        config,
        flags.workdir,
        name=pathlib.Path(config_flags.get_config_filename(flags["config"])).stem,
        shard=parse_shard(flags.shard),
        side_by_side=flags.side_by_side,
    )
    for folder, problem in tally.failed:
        print(f"failed: {folder}: {problem}", file=sys.stderr)
    return 1 if tally.failed else 0


SWEEP = Command(
    name="sweep",
    summary="Train and evaluate many variants of a recipe, with several seeds each.",
    usage="--config=FILE --workdir=DIR [--shard=i/n] [--side_by_side=N] [--config.KEY=VALUE ...]",
    details="Settings of the runs are --config.base.KEY. A sweep that was stopped goes on where it "
    "was.",
    examples=(
        "sweep --config=configs/sweeps/scales.py --workdir=sweeps/scales",
        "sweep --config=configs/sweeps/scales.py:full --workdir=sweeps/scales --shard=0/4",
    ),
    define=_define,
    run=_sweep,
    recipes=RECIPES,
    advice={"coordinator": "start it on each machine with --shard=i/n"},
)
