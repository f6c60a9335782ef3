"""What ``predict`` makes beside its rows where asked: maps of positions, pictures of evidence."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from input_pipeline.errors import UserError
from npr_jax.cli.command import check_directory
from npr_jax.inference.verdict import ImageScore

if TYPE_CHECKING:  # importing them would import JAX, which most predictions do without
    from npr_jax.inference.detector import Detector
    from npr_jax.inference.ensemble import Ensemble
    from npr_jax.inference.file_detector import FileDetector

# Takes a result, makes something beside its row and returns why that could not be made.
Extra = Callable[[ImageScore], str]
# Opens an extra whose first result is of the file with that number.
Opener = Callable[[int], contextlib.AbstractContextManager[Extra]]


def check_extras(
    detector: FileDetector | Ensemble,
    maps: str,
    evidence: str,
    heat_map: str,
    resume: bool,
    begun: bool,
) -> None:
    """Raises ``UserError`` for extras that this detector does not have or that fit no such call.

    The arguments are those of ``predict_files``; ``begun``: whether ``resume`` finds a table to go
    on with, whose maps are there already.
    """
    if evidence and resume:
        raise UserError(
            "--resume goes on with a table, not with its --evidence; leave --evidence out, or "
            "--resume, and remove what the earlier run has left"
        )
    for flag, value in (("maps", maps), ("evidence", evidence)):
        if value and len(detector.members) > 1:
            raise UserError(f"--{flag} is of one detector, not of several; give one --workdir")
        check_directory(flag, value)
    if heat_map != "auto" and not evidence:
        raise UserError(f"--heat_map={heat_map} is of --evidence=DIR; give both")
    if maps or heat_map == "positions":
        from npr_jax.inference.position_maps import check_has_map

        check_has_map(cast("Detector", detector).model)
    for flag, value, what in (
        ("maps", "" if begun else maps, "maps"),
        ("evidence", evidence, "pictures"),
    ):
        if value and pathlib.Path(value).is_dir() and any(pathlib.Path(value).iterdir()):
            raise UserError(
                f"--{flag}={value} is not empty: earlier {what} would lie among the new ones; "
                "give another directory"
            )


def extra_openers(
    detector: FileDetector | Ensemble, maps: str, evidence: str, heat_map: str
) -> list[Opener]:
    """One for each extra that is asked for; what an extra needs is imported now."""
    openers: list[Opener] = []
    one = cast("Detector", detector)
    if maps:
        openers.append(
            lambda first: contextlib.nullcontext(_map_writer(one, pathlib.Path(maps), first))
        )
    if evidence:  # it draws with Matplotlib, which scoring does without
        from npr_jax.analysis.evidence import evidence_folder

        openers.append(lambda first: evidence_folder(one, pathlib.Path(evidence), heat_map))
    return openers


def _map_writer(detector: Detector, directory: pathlib.Path, first: int) -> Extra:
    from npr_jax.inference.position_maps import save_maps

    directory.mkdir(parents=True, exist_ok=True)
    seen = first

    def write(result: ImageScore) -> str:
        """Writes the maps of one file, numbered by its place in the table."""
        nonlocal seen
        number, seen = seen, seen + 1
        if result.error:
            return ""
        try:
            maps = detector.maps(detector.read(result.path))
        except UserError as error:
            return f"no map of positions: {error}"
        save_maps(directory, number, result.path, maps)
        return ""

    return write
