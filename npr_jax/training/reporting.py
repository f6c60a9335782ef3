"""What a run says while it trains: curves on disk, TensorBoard, progress on a terminal."""

import contextlib
import json
import pathlib
import sys
from collections.abc import Mapping

import jax
from tqdm import tqdm

from input_pipeline.storage.atomic_files import write_file
from input_pipeline.storage.whole_content import DAMAGES


class CurveWriter:
    """Appends points to ``metrics.jsonl`` and to TensorBoard's event files in ``tensorboard/``.

    Each line is an object with ``step``, ``epoch``, ``split`` (train or validation) and the
    metrics. Only the first process of a run writes.
    """

    def __init__(self, workdir: pathlib.Path, *, resume_step: int):
        self._file = None
        if jax.process_index() != 0:
            return
        path = workdir / "metrics.jsonl"
        _drop_points_after(path, resume_step)
        self._file = path.open("a")
        # Slow to import, and processes other than the first do without.
        from npr_jax.training.event_files import open_event_file

        self._events = open_event_file(workdir / "tensorboard", resume_step=resume_step)

    def write(self, *, step: int, epoch: float, split: str, values: Mapping[str, float]) -> None:
        """Adds one point; ``epoch`` counts from 0 and may lie between two."""
        if self._file is None:
            return
        point = {"step": step, "epoch": round(epoch, 4), "split": split, **values}
        self._file.write(json.dumps(point) + "\n")
        self._file.flush()
        self._events.write_scalars(step, {f"{split}/{name}": v for name, v in values.items()})
        # As the lines above: a kill must not lose points of steps that are not run again.
        self._events.flush()

    def close(self) -> None:
        """Closes the files."""
        if self._file is not None:
            self._file.close()
            self._events.close()


def _drop_points_after(path: pathlib.Path, step: int) -> None:
    """Forgets points a resumed run will write again, and a line that a kill cut short."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(*DAMAGES):
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
    write_file(path, "".join(kept))


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
