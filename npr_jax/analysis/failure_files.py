"""The gallery of mistakes as files: ``<workdir>/failures/<evaluation>``."""

from __future__ import annotations

import pathlib

from input_pipeline.storage.atomic_files import replaced_directory
from input_pipeline.storage.csv_files import write_csv
from npr_jax.analysis.failures import Failures, failure_rows, predictor_rows
from npr_jax.analysis.run_results import Evaluation
from npr_jax.inference.evidence_images import write_png

FOLDER = "failures"


def write_failures(workdir: pathlib.Path, evaluation: Evaluation, failures: Failures) -> None:
    """Writes failures.csv, error_features.csv and the images, numbered as the lines.

    A table without lines is left out.
    """
    with replaced_directory(workdir / FOLDER / evaluation.name) as folder:
        rows = failure_rows(failures, evaluation.scores)
        for number, (row, mistake) in enumerate(zip(rows, failures.mistakes, strict=True)):
            row["image"] = ""
            if mistake.image is not None:
                row["image"] = f"{number:03d}.png"
                write_png(folder / row["image"], mistake.image)
        for name, lines in (("failures", rows), ("error_features", predictor_rows(failures))):
            if lines:
                write_csv(folder / f"{name}.csv", list(lines[0]), lines)
