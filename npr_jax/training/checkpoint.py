"""Saving and resuming a run: Orbax behind the few calls the loops need.

A checkpoint holds arrays in named items (``model`` and ``optimizer`` of a detector's run), the
position of the input pipeline and the run's progress. The position counts batches of all processes
together, so any number of processes goes on from it. Orbax writes beside and renames, so a kill
while saving leaves the previous checkpoint as the latest. ``npr_jax.detectors.checkpoint`` reads
the network alone.
"""

import contextlib
import logging
import pathlib
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import grain
import jax
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from input_pipeline.storage.locks import alone
from input_pipeline.storage.whole_content import read_object
from npr_jax.detectors.checkpoint import FOLDER, PROGRESS, plain_path

DATA = "data"  # the item with the input pipeline's position
IMPROVED = "improved"
LOCK_FILE = ".training.lock"  # in the workdir


class Checkpoints:
    """The checkpoints of one run: the last, and the best by validation."""

    def __init__(self, workdir: pathlib.Path):
        """``UserError`` where another process, which is none of this training, is at it."""
        self._directory = workdir / FOLDER
        self._closing = contextlib.ExitStack()
        if jax.process_index() == 0:
            # Each would take what the other is writing for what a kill has left, and remove it.
            mine = alone(workdir / LOCK_FILE, f"training {workdir}", "give another --workdir")
            self._closing.enter_context(mine)
        self._directory.mkdir(parents=True, exist_ok=True)
        orbax_log = logging.getLogger("absl")
        orbax_log.addFilter(_is_not_raised)
        self._closing.callback(orbax_log.removeFilter, _is_not_raised)
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
            self._closing.enter_context(plain_path(self._directory)),
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
        items: Mapping[str, Any],
        iterator: grain.DatasetIterator,
        progress: dict[str, Any],
        *,
        improved: bool | None = None,
    ) -> None:
        """Starts writing a checkpoint; training goes on while it is written.

        Args:
            step: steps done so far.
            items: pytrees of arrays by name.
            iterator: the input pipeline, right after the step's batch.
            progress: JSON-serialisable; what the loop needs besides arrays.
            improved: whether validation just reached a new best; None: not validated here.

        Raises:
            OSError: this checkpoint, or the one before, could not be written.
        """
        # The latest step that improved is the best one: comparisons are the loop's.
        metrics = {IMPROVED: step if improved else -1}
        saved = {name: ocp.args.StandardSave(item) for name, item in items.items()}
        saved |= {DATA: ocp.args.JsonSave(iterator.get_state())}
        saved |= {PROGRESS: ocp.args.JsonSave(progress)}
        with self._named_if_not_written():
            self._manager.save(step, args=ocp.args.Composite(**saved), metrics=metrics)

    def latest_step(self) -> int | None:
        """The step of the last complete checkpoint, None where there is none."""
        return self._manager.latest_step()

    def progress(self, step: int) -> dict[str, Any]:
        """What ``save`` was given as progress at that step."""
        return self._json(step, PROGRESS)

    def holds(self, step: int, item: str) -> bool:
        """Whether the checkpoint of that step has an item of that name."""
        return (self._directory / str(step) / item).is_dir()

    def restore(
        self, step: int, items: Mapping[str, Any], iterator: grain.DatasetIterator
    ) -> Mapping[str, Any]:
        """The items of that step; the iterator is moved to where it was at ``save``.

        By any number of processes, whatever their number at ``save``.

        ``items`` are pytrees by name, whose arrays give shape, dtype and sharding.
        """
        shapes = jax.tree.map(ocp.utils.to_shape_dtype_struct, dict(items))
        wanted: dict[str, Any] = {
            name: ocp.args.StandardRestore(item) for name, item in shapes.items()
        }
        restored = self._manager.restore(step, args=ocp.args.Composite(**wanted))
        iterator.set_state(self._position(step))
        iterator.start_prefetch()
        return restored

    def _position(self, step: int) -> dict[str, Any]:
        # As grain itself saves it, and we did: each process its own, all of them alike.
        for path in sorted((self._directory / str(step) / DATA).glob("process_*.json")):
            return read_object(path, "remove this checkpoint's folder to go on from the one before")
        return self._json(step, DATA)

    def _json(self, step: int, item: str) -> dict[str, Any]:
        args = ocp.args.Composite(**{item: ocp.args.JsonRestore()})
        return self._manager.restore(step, args=args)[item]

    def close(self) -> None:
        """Waits until everything is on disk; ``OSError`` where that could not be written."""
        with self._named_if_not_written(), self._closing, contextlib.closing(self._manager):
            self._manager.wait_until_finished()
            if jax.process_index() == 0:
                self._remove_half_removed()

    def _remove_half_removed(self) -> None:
        """Removes what a kill has left of checkpoints that were being removed."""
        kept = self._manager.latest_step(), self._manager.best_step()
        for path in self._directory.iterdir():
            if path.name.isdecimal() and int(path.name) not in kept:
                shutil.rmtree(path)

    @contextlib.contextmanager
    def _named_if_not_written(self) -> Iterator[None]:
        """Says in one line what was being written where, whatever Orbax's threads raise."""
        try:
            yield
        except Exception as error:
            kept = max(
                (int(p.name) for p in self._directory.iterdir() if p.name.isdecimal()), default=0
            )
            reason = next(iter(str(error).splitlines()), "")[:200] or type(error).__name__
            raise OSError(
                f"a checkpoint could not be written to {self._directory} ({reason}); "
                + (f"the one of step {kept} is intact" if kept else "there is none yet")
                + ": make room on the disk and start the same command again"
            ) from error


def _is_not_raised(record: logging.LogRecord) -> bool:
    """Whether a log record is no error of Orbax's threads, all of which ``save`` and ``close``
    raise: without this, pages of traceback stand before the one line that says what to do."""
    return not (record.exc_info and "orbax" in pathlib.PurePath(record.pathname).parts)
