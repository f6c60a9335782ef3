"""The command of a script that scores pictures with a detector into a table."""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from input_pipeline.storage.atomic_files import write_file
from input_pipeline.storage.csv_files import csv_text
from npr_jax.inference.detector import Detector


def write_measured(
    description: str,
    measure: Callable[[pathlib.Path, Detector], Sequence[Mapping[str, str]]],
    columns: Sequence[str],
    arguments: Iterable[str] | None = None,
) -> None:
    """Measures the folder of pictures named first, and writes the CSV file named second.

    ``--workdir`` names the run whose detector scores them, in place of the bundled one.

    Args:
        description: the script's, whose first line is the command's help.
        measure: gives the rows of the table.
        columns: of the table.
        arguments: those of the command; None: of this process.
    """
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument(
        "--workdir", metavar="RUN", help="of the detector; without it: the bundled one"
    )
    flags = parser.parse_args(None if arguments is None else list(arguments))
    detector = Detector.load(flags.workdir) if flags.workdir else Detector.default()
    rows = measure(flags.source, detector)
    flags.output.parent.mkdir(parents=True, exist_ok=True)
    write_file(flags.output, csv_text(columns, rows))
