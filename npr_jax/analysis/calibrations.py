"""What `calibrate` left in a work directory."""

from __future__ import annotations

import os
import pathlib
from typing import Any

from npr_jax.analysis.run_results import Evaluation, Run, read_json

FOLDER = "calibration"


def read_calibrations(workdir: str | os.PathLike[str]) -> dict[int, dict[str, Any]]:
    """The calibrations of a run's checkpoints by their step, the latest first.

    Raises:
        ValueError: a file is not JSON.
    """
    files = pathlib.Path(workdir).glob(f"{FOLDER}/*.json")
    steps = {int(path.stem): path for path in files if path.stem.isdecimal()}
    return {step: read_json(steps[step]) for step in sorted(steps, reverse=True)}


def is_calibrated(run: Run, evaluation: Evaluation) -> bool:
    """Whether the checkpoint that was evaluated has a calibration: its verdicts, or its file."""
    results = evaluation.results
    steps = results["meta"].get("steps")
    return bool(results.get("verdicts")) or steps in read_calibrations(run.workdir)
