"""Runs what of a sweep is not done yet, and keeps its table current.

Any number of processes may work in one directory, each on its shard or all on the whole: a run
that another one is at work on is passed over.
"""

import contextlib
import dataclasses
import functools
import logging
import pathlib
import platform
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from input_pipeline.loading.mixture import MixedDataset
from input_pipeline.storage.locks import locked
from input_pipeline.storage.path_lists import split_paths
from npr_jax.evaluation.evaluate import evaluate_trained
from npr_jax.sweep import grid
from npr_jax.sweep.record import Record, is_done, settings_of
from npr_jax.sweep.table import FILE, format_summary, write_table
from npr_jax.sweep.vectorized import KeptProgram, train_vectorized
from npr_jax.training import inputs
from npr_jax.training import train as training
from npr_jax.training.preemption import Preemption

_LOG = logging.getLogger(__name__)

LOCK_FILE = ".lock"
# Gives what the results.json of each run hold, one for each delivery; None but on one process.
Results = Sequence[Mapping[str, Any]]
Train = Callable[[list[ConfigDict], list[pathlib.Path]], Sequence[Results | None]]
# What ends a run and not the sweep: a refused setting or folder, a loss that is not finite, a
# device without the memory for it.
_RUN_ERRORS = (ValueError, FloatingPointError, jax.errors.JaxRuntimeError)
_WORTH_KEEPING = 0.2  # seconds that a program took to compile


@dataclasses.dataclass
class Tally:
    """Runs of a shard by what became of them; ``failed`` holds (folder, what is wrong)."""

    skipped: list[str] = dataclasses.field(default_factory=list)
    finished: list[str] = dataclasses.field(default_factory=list)
    elsewhere: list[str] = dataclasses.field(default_factory=list)
    failed: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    def __str__(self) -> str:
        text = (
            f"{len(self.finished)} runs finished, {len(self.skipped)} were done before, "
            f"{len(self.failed)} failed"
        )
        if self.elsewhere:
            text += f", {len(self.elsewhere)} left to another process that is at work on them"
        return text


def run_sweep(
    sweep: ConfigDict,
    workdir: str | pathlib.Path,
    *,
    name: str,
    shard: tuple[int, int] = (0, 1),
    side_by_side: int = 1,
    train: Train | None = None,
    preemption: Preemption | None = None,
) -> Tally:
    """Runs the shard's share of the grid, skips what is done, rewrites the table after each run.

    A run that cannot be trained does not stop the others. A killed sweep goes on with the same
    call: finished runs are skipped, the one that was interrupted resumes from its checkpoint.

    Args:
        sweep: see ``grid.expand``; checked before any work.
        workdir: gets ``<variant>/seed<k>/`` per run, ``simulation/`` where ``base`` names no data,
            ``compiled/`` and ``runs.csv``.
        name: of the sweep, for the table.
        shard: (i, n): every n-th group of runs from number i, counted from 0.
        side_by_side: how many runs that differ in seed or learning rate alone are trained together.
        train: trains and evaluates some configs in their workdirs, all of them together.
            None: ``train_and_evaluate``.
        preemption: says when to save what is being trained, and leave; None: never.

    Raises:
        Preempted: it was left before the end, and saved.
    """
    deliveries = tuple(sweep.get("deliveries", ()))
    train = train or functools.partial(
        train_and_evaluate, kept=KeptProgram(), deliveries=deliveries, preemption=preemption
    )
    runs = grid.expand(sweep)
    mine = grid.shard_of(grid.batches(runs, side_by_side), *shard)
    workdir = pathlib.Path(workdir).absolute()
    if "," in str(workdir):
        raise UserError(f"--workdir={workdir}: data.path separates directories by commas; use none")
    paths = {run.config.data.path for run in runs} - {""}
    fingerprints = {path: _fingerprint(path) for path in sorted(paths)}
    workdir.mkdir(parents=True, exist_ok=True)
    keep_compiled(workdir / "compiled")
    simulated = ""  # where they are needed
    if any(not run.config.data.path for run in runs):
        simulated = str(prepare_simulation(sweep.base, workdir))
        fingerprints[simulated] = _fingerprint(simulated)
    planned = {run.folder: settings_of(run.config) for run in runs}
    _LOG.info(
        "sweep %s: %d runs, %d of them in shard %d of %d (from 0)",
        name, len(runs), sum(map(len, mine)), *shard,
    )  # fmt: skip

    tally = Tally()
    for group in mine:
        before = len(tally.finished)
        _run_group(group, workdir, simulated, fingerprints, deliveries, train, tally)
        if len(tally.finished) > before:
            write_table(workdir, name, planned)
    rows = write_table(workdir, name, planned)
    print(format_summary(rows))
    print(f"{tally}; table: {workdir / FILE}")
    return tally


def train_and_evaluate(
    configs: Sequence[ConfigDict],
    workdirs: Sequence[pathlib.Path],
    *,
    kept: KeptProgram,
    deliveries: Sequence[str] = (),
    preemption: Preemption | None = None,
) -> list[Results | None]:
    """Trains runs, several of them as one program; what ``evaluate_run`` returns of each delivery.

    Without ``deliveries`` each is evaluated as its config says.
    """
    if len(configs) == 1:
        training.train(configs[0], workdirs[0], make_program=kept, preemption=preemption)
    else:
        train_vectorized(configs, workdirs, kept=kept, preemption=preemption)
    return [
        _evaluated(config, workdir, deliveries or (config.data.delivery,))
        for config, workdir in zip(configs, workdirs, strict=True)
    ]


def _evaluated(
    config: ConfigDict, workdir: pathlib.Path, deliveries: Sequence[str]
) -> Results | None:
    found = []
    for delivery in deliveries:
        own = config.copy_and_resolve_references()
        own.data.delivery = delivery
        found.append(evaluate_trained(own, workdir))
    return [results for results in found if results is not None] or None


def prepare_simulation(base: ConfigDict, workdir: pathlib.Path) -> pathlib.Path:
    """The images that all runs share, rendered with the seed of ``base`` unless they are there.

    Of several processes one renders and the others wait. Nothing is left over by one that is
    killed: the kernel drops its lock, and a data set appears only when it is complete. Where
    the disk has no locks both render the same images and the first to finish is kept.
    ``UserError`` where the directory holds a data set made with other settings.
    """
    config = base.copy_and_resolve_references()
    directory = pathlib.Path(config.data.simulation.directory or workdir / "simulation").absolute()
    config.data.simulation.directory = str(directory)
    with locked(directory.parent / f".{directory.name}.lock", wait=True):
        try:
            inputs.open_dataset(config, workdir)
        except (OSError, ValueError):
            if not directory.is_dir():
                raise
            inputs.open_dataset(config, workdir)  # another one was first, without a lock
    return directory


def keep_compiled(directory: pathlib.Path) -> None:
    """Has JAX keep compiled programs there, unless it has a place for them already.

    Each machine has a folder of its own: a program for one processor may not run on another.
    """
    if jax.config.values.get("jax_compilation_cache_dir"):
        return
    folder = directory / platform.node()
    folder.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", _WORTH_KEEPING)


def _run_group(
    group: Sequence[grid.PlannedRun],
    workdir: pathlib.Path,
    simulated: str,
    fingerprints: Mapping[str, str],
    deliveries: Sequence[str],
    train: Train,
    tally: Tally,
) -> None:
    """Trains together what of a group is neither done nor in other hands."""
    with contextlib.ExitStack() as at_end:
        waiting = []
        for run in group:
            folder = workdir / run.folder
            if not at_end.enter_context(locked(folder / LOCK_FILE, wait=False)):
                tally.elsewhere.append(run.folder)
                continue
            config = run.config.copy_and_resolve_references()
            config.data.path = config.data.path or simulated
            data = fingerprints[config.data.path]
            if is_done(folder, config, data, deliveries):
                tally.skipped.append(run.folder)
            else:
                waiting.append((run, config, data))
        if not waiting:
            return
        try:
            _finish(waiting, workdir, train, tally)
        except _RUN_ERRORS as error:
            if len(waiting) == 1:
                _fail(waiting[0][0], error, tally)
                return
            _LOG.warning("%s; these runs are tried one by one", error)
            for item in waiting:
                try:
                    _finish([item], workdir, train, tally)
                except _RUN_ERRORS as its_error:
                    _fail(item[0], its_error, tally)


def _finish(
    waiting: Sequence[tuple[grid.PlannedRun, ConfigDict, str]],
    workdir: pathlib.Path,
    train: Train,
    tally: Tally,
) -> None:
    folders = [workdir / run.folder for run, _, _ in waiting]
    _LOG.info("%s", ", ".join(run.folder for run, _, _ in waiting))
    all_results = train([config for _, config, _ in waiting], folders)
    for (run, config, data), folder, results in zip(waiting, folders, all_results, strict=True):
        if results is None:
            continue  # of several processes the first one writes
        settings = settings_of(config)
        names = [own["name"] for own in results]
        Record(run.variant, run.seed, settings, data, names, folder).save()
        tally.finished.append(run.folder)


def _fail(run: grid.PlannedRun, error: Exception, tally: Tally) -> None:
    _LOG.error("%s failed: %s", run.folder, error)
    tally.failed.append((run.folder, str(error)))


def _fingerprint(path: str) -> str:
    return MixedDataset.load(split_paths(path, "data.path")).fingerprint
