"""A detector of a card with a calibration of its own: a copy, as cards do not change."""

import pathlib
from collections.abc import Mapping
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.storage.atomic_files import write_together
from npr_jax.detectors.calibration import from_json
from npr_jax.detectors.calibration_file import FOLDER
from npr_jax.detectors.card import is_recalibrated, recalibrated


def check_place(card: pathlib.Path, directory: pathlib.Path) -> pathlib.Path:
    """Where a copy of a card would lie; ``UserError`` for a folder that is the card's own, or holds
    something and no earlier copy."""
    copy = directory / card.name
    if copy.resolve() == card.resolve():
        raise UserError(
            f"--output={directory} holds the detector that is to be calibrated; give another "
            "folder for the copy"
        )
    # A folder with a calibration alone is left where a copy was stopped before its end.
    there = {path.name for path in directory.iterdir()} if directory.is_dir() else set()
    if there - {FOLDER} and not is_recalibrated(copy):
        raise UserError(
            f"--output={directory} is not empty, and holds no earlier copy of this detector; give "
            "another folder"
        )
    return copy


def write_calibrated_copy(
    card: pathlib.Path, results: Mapping[str, Any], directory: pathlib.Path
) -> None:
    """Writes a detector's files with what ``calibrate`` found to where ``check_place`` allows."""
    meta = results["meta"]
    images = {
        "images": meta["images"],
        "photographs": results["n_photographs"],
        "generated": results["n_generated"],
        "date": meta["date"],
        "commit": meta["commit"],
    }
    facts: dict[str, Any] = {"probabilities_fitted_to": images}
    if not results["limits_kept"]:
        facts = {"calibrated_on": images, "probabilities_fitted_to": None}
    write_together(directory, recalibrated(card, from_json(results), meta["images"], facts))
