"""Scores any number of pictures by Ray Data, on this machine or a cluster."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from input_pipeline.errors import UserError
from npr_jax.cluster.job import Job
from npr_jax.cluster.places import options_of, place_of
from npr_jax.cluster.session import import_ray, session
from npr_jax.cluster.sources import tables_of
from npr_jax.cluster.worker import Worker
from npr_jax.detectors.calibration import VERDICTS
from npr_jax.inference.verdict import check_confidence

if TYPE_CHECKING:
    from ray.exceptions import RayTaskError

    from npr_jax.inference.detector import Detector

# Pictures that are scored, written and noted as done together; what a kill costs each worker.
BLOCK_ROWS = 256
# Ray numbers what it writes with six digits, and takes 1000001 for a part of 100000 when it clears
# up after a kill. Its blocks may be somewhat more than asked for.
MOST_BLOCKS = 500_000
# Of Ray Data's settings, which hold for the whole process.
CHANGED = (
    "checkpoint_config",
    "enable_progress_bars",
    "op_resource_reservation_enabled",
    "use_datasource_v2",
)


def predict_on_ray(
    detector: Detector,
    names: Sequence[str],
    output: str,
    *,
    confidence: float | None = None,
    address: str = "",
    workers: int = 0,
    block_rows: int = BLOCK_ROWS,
) -> int:
    """Scores pictures into Parquet files, a row for each; goes on where it was cut off.

    Args:
        detector: what scores.
        names: see ``sources.tables_of``.
        output: folder, or URI of one. What was begun there is finished.
        confidence: see ``Detector.score``.
        address: of a cluster, as ``ray.init`` takes it; empty: Ray is started on this machine,
            unless this process has joined one already.
        workers: how many, each with a detector of its own; 0: one for each GPU of the cluster, or
            where there is none, each core (of a cluster, each but one).
        block_rows: pictures that are done together.

    Returns:
        Exit status: 0, or 1 where a picture has an error.

    Raises:
        UserError: for a confidence outside [0.5, 1), what cannot be read or written, ids that occur
            twice, a folder that holds something else or that another process works for, and a
            library or cluster that is not there.
        OSError: the output could be written to no longer, as where its disk is full.
    """
    check_confidence(confidence)
    ray = import_ray()
    job = Job(place_of(output), output)
    facts = {
        "detector": detector.title,
        "detector_sha256": detector.weights_sha256,
    }
    asked = {
        "pictures": list(names),
        **facts,
        "images": detector.preprocessing_in_words,
        "max_pixels": detector.preprocessing.most_pixels,
        "scores": detector.calibration_in_words,
        "confidence": confidence,
    }
    with job.held():
        begun = job.begin(asked, lambda: tables_of(names))
        if job.rows > block_rows * MOST_BLOCKS:
            raise UserError(
                f"{job.rows} pictures in blocks of {block_rows} are too many blocks; give "
                f"--block_rows={-(-job.rows // MOST_BLOCKS)} or more"
            )
        if (finished := job.finished) is not None:
            print(f"{output} is finished already: {_summary(finished)}", file=sys.stderr)
            return 1 if finished["error"] else 0
        done = f", going on: {job.done()} done before" if begun else ""
        print(f"{job.rows} pictures{done}", file=sys.stderr)
        options = {bucket: text for name in names for bucket, text in options_of(name).items()}
        with session(ray, address):
            _score(ray, job, detector, facts, options, confidence, workers, block_rows)
        counts = job.finish()
        print(_summary(counts), file=sys.stderr)
        return 1 if counts["error"] else 0


def _score(
    ray: Any,
    job: Job,
    detector: Detector,
    facts: dict[str, str],
    options: dict[str, str],
    confidence: float | None,
    workers: int,
    block_rows: int,
) -> None:
    from ray.data import ActorPoolStrategy
    from ray.exceptions import RayTaskError

    gpus = int(ray.cluster_resources().get("GPU", 0))
    most = workers or gpus or max(1, int(ray.cluster_resources().get("CPU", 1)) - 1)
    with _checkpoints(job):
        # Reading and writing take no core from the workers, who need all of them.
        rows = ray.data.read_parquet(job.manifest.path, filesystem=job.manifest.system, num_cpus=0)
        results = rows.repartition(target_num_rows_per_block=block_rows).map_batches(
            Worker,
            fn_constructor_args=(ray.put(detector.with_engine("flax")), facts, options, confidence),
            batch_format="pyarrow",
            batch_size=None,
            compute=ActorPoolStrategy(min_size=1, initial_size=most, max_size=most),
            num_cpus=0 if gpus else 1,
            num_gpus=1 if gpus else 0,
        )
        try:
            results.write_parquet(
                job.output.path,
                filesystem=job.output.system,
                ray_remote_args={"num_cpus": 0},
                concurrency=most,
            )
        except RayTaskError as error:
            raise told(error, job.name) from None


def told(error: RayTaskError, output: str) -> Exception:
    """What to raise of an error in a worker: of one on the disk, without Ray's hundred lines."""
    cause = error.cause
    if not isinstance(cause, OSError):
        return error
    return OSError(
        f"{output}: {cause.strerror or cause}; what is done is kept: mend that, and start the same "
        "command again"
    )


@contextlib.contextmanager
def _checkpoints(job: Job) -> Iterator[None]:
    """Makes Ray note with each block that is written which pictures are done."""
    from ray.data import DataContext
    from ray.data.checkpoint import CheckpointConfig

    context = DataContext.get_current()
    before = {name: getattr(context, name) for name in CHANGED}
    context.checkpoint_config = CheckpointConfig(
        id_column="row",
        checkpoint_path=job.checkpoint.path,
        override_filesystem=job.checkpoint.system,
        # It is needed until the job is noted as finished, which is later.
        delete_checkpoint_on_success=False,
    )
    context.enable_progress_bars = sys.stderr.isatty()
    # It would keep cores for what else there is to do: of 16 workers 11 got something to score.
    context.op_resource_reservation_enabled = False
    # It starts 32 processes to read the ends of Parquet files, were there but one.
    context.use_datasource_v2 = False
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)


def _summary(counts: dict[str, int]) -> str:
    words = [f"{counts.get(word, 0)} {word}" for word in VERDICTS]
    return f"{sum(counts.values())} pictures: {', '.join(words)}, {counts['error']} not scored"
