"""What a run says while it trains: curves on disk, TensorBoard, progress on a terminal."""

from __future__ import annotations

import json
import logging
import os
import pathlib
import sys
from collections.abc import Mapping

import jax
from tqdm import tqdm

_LOG = logging.getLogger(__name__)


class CurveWriter:
    """Appends points to ``metrics.jsonl`` and, where TensorFlow is there, to TensorBoard.

    Each line is an object with ``step``, ``epoch``, ``split`` (train or validation) and the
    metrics. Only the first process of a run writes.
    """

    def __init__(self, workdir: pathlib.Path, *, resume_step: int):
        self._file = None
        self._tensorboard = None
        if jax.process_index() != 0:
            return
        path = workdir / "metrics.jsonl"
        _drop_points_after(path, resume_step)
        self._file = path.open("a")
        self._tensorboard = _tensorboard_writer(workdir)

    def write(self, *, step: int, epoch: float, split: str, values: Mapping[str, float]) -> None:
        """Adds one point; ``epoch`` counts from 0 and may lie between two."""
        if self._file is None:
            return
        point = {"step": step, "epoch": round(epoch, 4), "split": split, **values}
        self._file.write(json.dumps(point) + "\n")
        self._file.flush()
        if self._tensorboard is not None:
            scalars = {f"{split}/{name}": value for name, value in values.items()}
            self._tensorboard.write_scalars(step, scalars)

    def close(self) -> None:
        """Closes the files."""
        if self._file is not None:
            self._file.close()
        if self._tensorboard is not None:
            self._tensorboard.close()


def _drop_points_after(path: pathlib.Path, step: int) -> None:
    """Forgets points a resumed run will write again, and a line that a kill cut short."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text().splitlines():
        try:
            point = json.loads(line)
        except ValueError:
            continue
        if point["step"] <= step:
            kept.append(line + "\n")
    temporary = path.with_suffix(".jsonl.partial")
    temporary.write_text("".join(kept))
    temporary.replace(path)


def _tensorboard_writer(workdir: pathlib.Path):
    # It greets past Python's logging otherwise.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    try:
        from clu import metric_writers
    except ImportError:
        _LOG.warning("TensorBoard is off: TensorFlow is not installed; see metrics.jsonl")
        return None
    return metric_writers.SummaryWriter(str(workdir / "tensorboard"))


def progress_bar(*, total_images: int, done_images: int, description: str) -> tqdm:
    """A bar with images per second and time left; silent where there is no terminal."""
    return tqdm(
        total=total_images,
        initial=done_images,
        unit="img",
        desc=description,
        disable=jax.process_index() != 0 or not sys.stderr.isatty(),
        dynamic_ncols=True,
        smoothing=0.1,
    )
