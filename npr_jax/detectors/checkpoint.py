"""Reading the network of a run's checkpoint, without anything that only training needs.

A checkpoint is a folder ``checkpoints/<step>`` that Orbax writes (``npr_jax.training.checkpoint``).
Its item ``model`` holds what scores, the parameters and batch statistics; ``progress`` says which
step was the best so far. Runs of version 1 kept all of the train state in one item, ``state``.
"""

import contextlib
import fnmatch
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

import orbax.checkpoint as ocp

from input_pipeline.errors import UserError

FOLDER = "checkpoints"  # in the workdir
MODEL, PROGRESS = "model", "progress"  # items
WHOLE_STATE = "state"  # the item of version 1


def restore_model(
    workdir: pathlib.Path, which: str, variables: dict[str, Any]
) -> tuple[str, int, dict[str, Any]]:
    """Reads the network of a run's ``best`` or ``last`` checkpoint: which it is, its step, a tree.

    Until the first validation ``best`` is the last. ``variables`` are ``params`` and
    ``batch_stats`` as ``jax.ShapeDtypeStruct`` with shardings; the tree is like it. ``UserError``
    for another name, a run without a complete checkpoint, or a checkpoint that is missing or
    damaged.
    """
    if which not in ("best", "last"):
        raise UserError(f"checkpoint is {which!r}; expected best or last")
    directory = workdir / FOLDER
    if not directory.is_dir():
        raise UserError(f"{workdir} has no checkpoints yet; train first, or give another run")
    options = ocp.CheckpointManagerOptions(create=False)
    with plain_path(directory) as path, ocp.CheckpointManager(path, options=options) as manager:
        steps = manager.all_steps()
        if not steps:
            raise UserError(f"{directory} has no complete checkpoint yet; wait for the first")
        step = max(steps)
        if which == "best":
            with _named_if_damaged(directory / str(step)):
                args = ocp.args.Composite(**{PROGRESS: ocp.args.JsonRestore()})
                # As the latest checkpoint knows it; 0 before any validation.
                best = manager.restore(step, args=args)[PROGRESS]["validation"]["best_step"]
            if best and best not in steps:
                raise UserError(
                    f"the best checkpoint of {workdir}, step {best}, is missing from {directory}; "
                    f"put it back, or take the last one, step {step}, with --checkpoint=last"
                )
            which, step = ("best", best) if best else ("last", step)
        with _named_if_damaged(directory / str(step)):
            return which, step, _read(manager, path, step, variables)


def _read(
    manager: ocp.CheckpointManager, path: pathlib.Path, step: int, variables: dict[str, Any]
) -> dict[str, Any]:
    if not (path / str(step) / WHOLE_STATE).is_dir():
        args = ocp.args.Composite(**{MODEL: ocp.args.StandardRestore(variables)})
        return manager.restore(step, args=args)[MODEL]
    part = ocp.args.PyTreeRestore(
        variables,
        restore_args=ocp.checkpoint_utils.construct_restore_args(variables),
        partial_restore=True,
    )
    return manager.restore(step, args=ocp.args.Composite(**{WHOLE_STATE: part}))[WHOLE_STATE]


@contextlib.contextmanager
def _named_if_damaged(folder: pathlib.Path) -> Iterator[None]:
    """Turns whatever Orbax makes of missing or broken files into one line."""
    try:
        yield
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "")[:200]
        raise UserError(
            f"the checkpoint {folder} is damaged and cannot be read ({type(error).__name__}: "
            f"{reason}); put it back from a copy, or move this folder away and take another "
            "checkpoint with --checkpoint=best or --checkpoint=last"
        ) from error


@contextlib.contextmanager
def plain_path(directory: pathlib.Path) -> Iterator[pathlib.Path]:
    """An absolute path of an existing directory that Orbax can write to and read from.

    orbax-checkpoint 0.12.8 finds what its processes have written with ``glob``, to which ``[x]`` in
    a folder's name is a pattern, and its storage layer takes a backslash for a slash. Such
    checkpoints are written and cannot be read, so these folders are reached through a link.
    """
    directory = directory.absolute()
    if all(fnmatch.fnmatchcase(name, name) and "\\" not in name for name in directory.parts):
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="checkpoints-") as folder:
        link = pathlib.Path(folder) / FOLDER
        link.symlink_to(directory, target_is_directory=True)
        yield link
