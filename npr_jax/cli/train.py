"""``train``, ``noise_predictor``: a recipe in, a run out; ``list``: the systems there are."""

import pathlib
from typing import Any

from input_pipeline.errors import UserError
from npr_jax.cli.command import Command, Options

RECIPES = "configs"
NOISE_RECIPES = "configs/diffusion"


def _define_train(options: Options) -> None:
    _define_workdir(options)
    options.text("coordinator", "Address of process 0, to train as one of several.")
    options.integer("process_id", 0, "With --coordinator: number of this process.")
    options.integer("num_processes", 1, "With --coordinator: how many there are.")


def _define_workdir(options: Options) -> None:
    options.text(
        "workdir",
        "Directory for checkpoints and reports, made where missing; a run that was "
        "stopped there goes on.",
    )


def _train(flags: Any) -> int:
    import jax

    from npr_jax.analysis.report import build_report
    from npr_jax.cli import host
    from npr_jax.cli.recipe import recipe_of
    from npr_jax.evaluation.evaluate import evaluate_trained
    from npr_jax.training.processes import join_processes
    from npr_jax.training.train import train

    config = recipe_of("train", flags, RECIPES)
    alone = [f"--{name}" for name in ("process_id", "num_processes") if flags[name].present]
    if alone and not flags.coordinator:
        raise UserError(f"{', '.join(alone)} without --coordinator=HOST:PORT; give all three")
    if flags.coordinator:
        join_processes(flags.coordinator, flags.num_processes, flags.process_id)
    host.keep_freed_memory()
    train(config, flags.workdir)
    evaluate_trained(config, pathlib.Path(flags.workdir))
    if jax.process_index() == 0:
        print(f"report: {build_report(flags.workdir)}")
    return 0


def _noise_predictor(flags: Any) -> int:
    from npr_jax.cli import host
    from npr_jax.cli.recipe import recipe_of
    from npr_jax.training.noise_predictor import train_noise_predictor

    config = recipe_of("noise_predictor", flags, NOISE_RECIPES)
    host.keep_freed_memory()
    print(f"noise predictor: {train_noise_predictor(config, flags.workdir)}")
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
    define=_define_train,
    run=_train,
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
    define=_define_workdir,
    run=_noise_predictor,
    recipes=NOISE_RECIPES,
    advice={"coordinator": "a noise predictor is trained by one process"},
)
LIST = Command(
    name="list",
    summary="List the systems with their size and the arithmetic of one image.",
    usage="",
    examples=("list",),
    define=lambda options: None,
    run=_list,
)
