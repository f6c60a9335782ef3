"""Saving and resuming a run: Orbax behind the few calls the loop needs.

A checkpoint holds the train state (parameters, batch statistics, optimizer, step), the
position of the input pipeline and the run's progress. Orbax writes beside and renames, so
a kill while saving leaves the previous checkpoint as the latest.
"""

from __future__ import annotations

import pathlib
from typing import Any

import grain
import jax
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from input_pipeline.errors import UserError

IMPROVED = "improved"


class Checkpoints:
    """The checkpoints of one run: the last, and the best by validation."""

    def __init__(self, workdir: pathlib.Path):
        policy = checkpoint_managers.AnyPreservationPolicy(
            [
                checkpoint_managers.LatestN(n=1),
                checkpoint_managers.BestN(
                    n=1,
                    get_metric_fn=lambda metrics: metrics[IMPROVED],
                    keep_checkpoints_without_metrics=False,
                ),
            ]
        )
        self._manager = ocp.CheckpointManager(
            (workdir / "checkpoints").absolute(),
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policy,
                cleanup_tmp_directories=True,
                # Without it Orbax keeps metrics in memory only: a resumed run would take its
                # best checkpoint for any old one and delete it.
                best_fn=lambda metrics: metrics[IMPROVED],
            ),
        )

    def save(
        self,
        step: int,
        state: Any,
        iterator: grain.DatasetIterator,
        progress: dict[str, Any],
        *,
        improved: bool | None = None,
    ) -> None:
        """Starts writing a checkpoint; training goes on while it is written.

        Args:
            step: steps done so far.
            state: the train state, a pytree of arrays.
            iterator: the input pipeline, right after the step's batch.
            progress: JSON-serialisable; what the loop needs besides arrays.
            improved: whether validation just reached a new best; None: not validated here.
        """
        # The latest step that improved is the best one: comparisons are the loop's.
        metrics = {IMPROVED: step if improved else -1}
        self._manager.save(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(state),
                data=grain.checkpoint.CheckpointSave(iterator),
                progress=ocp.args.JsonSave(progress),
            ),
            metrics=metrics,
        )

    def latest_step(self) -> int | None:
        """The step of the last complete checkpoint, None where there is none."""
        return self._manager.latest_step()

    def progress(self, step: int) -> dict[str, Any]:
        """What ``save`` was given as progress at that step."""
        restored = self._manager.restore(
            step, args=ocp.args.Composite(progress=ocp.args.JsonRestore())
        )
        return restored["progress"]

    def restore(self, step: int, abstract_state: Any, iterator: grain.DatasetIterator) -> Any:
        """The train state of that step; the iterator is moved to where it was."""
        restored = self._manager.restore(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardRestore(abstract_state),
                data=grain.checkpoint.CheckpointRestore(iterator),
            ),
        )
        return restored["state"]

    def close(self) -> None:
        """Waits until everything is on disk."""
        self._manager.wait_until_finished()
        self._manager.close()


def restore_for_scoring(workdir: pathlib.Path, which: str, abstract_state: Any) -> tuple[int, Any]:
    """The train state of a run's ``best`` or ``last`` checkpoint and its step.

    Raises:
        ValueError: for another name, or where the run has no complete checkpoint yet.
    """
    if which not in ("best", "last"):
        raise UserError(f"checkpoint is {which!r}; expected best or last")
    directory = workdir / "checkpoints"
    if not directory.is_dir():
        raise UserError(f"{workdir} has no checkpoints yet; train first, or give another run")
    with ocp.CheckpointManager(
        directory.absolute(), options=ocp.CheckpointManagerOptions(create=False)
    ) as manager:
        steps = manager.all_steps()
        if not steps:
            raise UserError(f"{directory} has no complete checkpoint yet; wait for the first")
        step = max(steps)
        if which == "best":
            step = _best_step(manager, step)
        restored = manager.restore(
            step, args=ocp.args.Composite(state=ocp.args.StandardRestore(abstract_state))
        )
    return step, restored["state"]


def _best_step(manager: ocp.CheckpointManager, latest: int) -> int:
    """The best step as the latest checkpoint knows it; before any validation the latest."""
    restored = manager.restore(latest, args=ocp.args.Composite(progress=ocp.args.JsonRestore()))
    best = restored["progress"]["validation"]["best_step"]
    return best if best in manager.all_steps() else latest


def abstract(tree: Any) -> Any:
    """Shapes, dtypes and shardings of a pytree of arrays, for restoring into."""
    return jax.tree.map(ocp.utils.to_shape_dtype_struct, tree)
