"""``train``, ``noise_predictor``, ``sweep``: a recipe in, runs out; ``list``: the systems."""

import contextlib
import os
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

from input_pipeline.errors import UserError
from npr_jax.cli.command import Command, integer, text
from npr_jax.training.preemption import Preempted, Preemption

RECIPES = "configs"
NOISE_RECIPES = "configs/diffusion"
_WORKDIR = text(
    "workdir",
    "Directory for checkpoints and reports, made where missing; a run that was stopped there "
    "continues.",
)


_PREEMPTED_STATUS = integer(
    "preempted_status",
    0,
    "Exit status if SIGTERM came before the end and everything was saved, for a scheduler that "
    "then starts the command again.",
    lowest=0,
)


def _until_preempted(run: Callable[[Any, Preemption], int]) -> Callable[[Any], int]:
    """The command that SIGTERM ends with all saved and ``--preempted_status``."""

    def command(flags: Any) -> int:
        preemption = Preemption()
        try:
            with preemption.heeded():
                return run(flags, preemption)
        except Preempted as stop:
            print(stop, file=sys.stderr)
            return flags.preempted_status

    return command


def _recipe_of(command: str, flags: Any, folder: str) -> Any:
    """The settings of ``--config``, changed as the flags say; with it goes a ``--workdir``."""
    from ml_collections import ConfigDict, config_flags

    config = flags.config
    if config is None:
        raise UserError(f"{command} needs --config={folder}/NAME.py; see the folder {folder}")
    if not isinstance(config, ConfigDict):
        # What ml_collections gives for a missing file fails on first use only.
        path = config_flags.get_config_filename(flags["config"])
        raise UserError(f"--config={path} does not exist; see the folder {folder}")
    if not flags.workdir:
        raise UserError(f"{command} needs --workdir=DIR, a directory for checkpoints and reports")
    return config


def _train(flags: Any, preemption: Preemption) -> int:
    import jax

    from npr_jax.analysis.report import build_report
    from npr_jax.cli import host
    from npr_jax.evaluation.evaluate import evaluate_trained
    from npr_jax.training.processes import join_processes
    from npr_jax.training.train import train

    config = _recipe_of("train", flags, RECIPES)
    alone = [f"--{name}" for name in ("process_id", "num_processes") if flags[name].present]
    if alone and not flags.coordinator:
        raise UserError(f"{', '.join(alone)} without --coordinator=HOST:PORT; give all three")
    if flags.coordinator:
        join_processes(flags.coordinator, flags.num_processes, flags.process_id)
    host.keep_freed_memory()
    with _leaving_with_the_others(flags.workdir):
        train(config, flags.workdir, preemption=preemption)
        evaluate_trained(config, pathlib.Path(flags.workdir))
    if jax.process_index() == 0:
        print(f"report: {build_report(flags.workdir)}")
    return 0


@contextlib.contextmanager
def _leaving_with_the_others(workdir: str) -> Iterator[None]:
    """Ends this process where one that it computes with is gone."""
    from npr_jax.training.processes import lost_process

    try:
        yield
    except Exception as error:
        if not (reason := lost_process(error)):
            raise
        print(
            f"error: another process that trains {workdir} is gone ({reason}); start all of them "
            "again, and the run goes on from its last checkpoint",
            file=sys.stderr,
        )
        sys.stdout.flush()
        # At a usual end JAX would wait for the process that is gone, and then abort.
        os._exit(1)


def _noise_predictor(flags: Any, preemption: Preemption) -> int:
    from npr_jax.cli import host
    from npr_jax.training.noise_predictor import train_noise_predictor

    config = _recipe_of("noise_predictor", flags, NOISE_RECIPES)
    host.keep_freed_memory()
    print(f"noise predictor: {train_noise_predictor(config, flags.workdir, preemption)}")
    return 0


def _list(flags: Any) -> int:
    from npr_jax.cli.listing import format_systems

    print(format_systems())
    return 0


TRAIN = Command(
    name="train",
    summary="Train a detector by a recipe, evaluate it and write a report.",
    usage="--config=FILE --workdir=DIR [--config.KEY=VALUE ...] "
    "[--coordinator=HOST:PORT --process_id=N --num_processes=N]",
    details="The word train may be left out. The data is the recipe's data.path, which "
    "--config.data.path=PREPARED sets; without one, embedded simulations are trained on. "
    "configs/default.py explains every setting.",
    examples=(
        "train --config=configs/quickstart.py --workdir=runs/quickstart",
        "train --config=configs/npr.py --workdir=runs/npr --config.data.path=prepared/progan",
    ),
    define=(
        _WORKDIR,
        text("coordinator", "Address of process 0, to train as one of several."),
        integer("process_id", 0, "With --coordinator: number of this process."),
        integer("num_processes", 1, "With --coordinator: how many there are."),
        _PREEMPTED_STATUS,
    ),
    run=_until_preempted(_train),
    recipes=RECIPES,
    advice={
        "data": "a recipe names its data; give --config.data.path=PREPARED",
        "split": "give --config.data.train_split=NAME",
    },
)
NOISE_PREDICTOR = Command(
    name="noise_predictor",
    summary="Train the diffusion model that reconstruct inverts.",
    usage="--config=FILE --workdir=DIR [--config.KEY=VALUE ...]",
    examples=(
        "noise_predictor --config=configs/diffusion/noise_predictor.py --workdir=runs/noise",
    ),
    define=(_WORKDIR, _PREEMPTED_STATUS),
    run=_until_preempted(_noise_predictor),
    recipes=NOISE_RECIPES,
    advice={"coordinator": "a noise predictor is trained by one process"},
)
LIST = Command(
    name="list",
    summary="List the systems with their parameters and the FLOPs of one image.",
    usage="",
    examples=("list",),
    run=_list,
)


SWEEPS = "configs/sweeps"


def _sweep(flags: Any, preemption: Preemption) -> int:
    from ml_collections import config_flags

    from npr_jax.cli import host
    from npr_jax.sweep.execute import run_sweep
    from npr_jax.sweep.grid import parse_shard

    config = _recipe_of("sweep", flags, SWEEPS)
    host.keep_freed_memory()
    tally = run_sweep(
        config,
        flags.workdir,
        name=pathlib.Path(config_flags.get_config_filename(flags["config"])).stem,
        shard=parse_shard(flags.shard),
        side_by_side=flags.side_by_side,
        preemption=preemption,
    )
    for folder, problem in tally.failed:
        print(f"failed: {folder}: {problem}", file=sys.stderr)
    return 1 if tally.failed else 0


SWEEP = Command(
    name="sweep",
    summary="Train and evaluate many variants of a recipe, with several seeds each.",
    usage="--config=FILE --workdir=DIR [--shard=i/n] [--side_by_side=N] [--config.KEY=VALUE ...]",
    details="Settings of the runs are --config.base.KEY. A sweep that was stopped continues where "
    "it was.",
    examples=(
        "sweep --config=configs/sweeps/scales.py --workdir=sweeps/scales",
        "sweep --config=configs/sweeps/scales.py:full --workdir=sweeps/scales --shard=0/4",
    ),
    define=(
        text(
            "workdir",
            "Directory of the sweep, made where missing; finished runs there are not repeated.",
        ),
        text(
            "shard",
            "Every n-th run, beginning with number i (from 0), to share a sweep among machines.",
        ),
        integer(
            "side_by_side",
            1,
            "Train up to N runs that differ only in seed and learning rate as one program.",
        ),
        _PREEMPTED_STATUS,
    ),
    run=_until_preempted(_sweep),
    recipes=SWEEPS,
    advice={"coordinator": "start it on each machine with --shard=i/n"},
)
