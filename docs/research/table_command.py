"""The command of a script that scores pictures with a detector, or several, into a table."""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from docs.research.named_paths import path_of
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

    The bundled detector scores them, or with ``--run NAME=WORKDIR``, once or more often, the
    detector of each run, whose rows call it by that name.

    Args:
        description: the script's, whose first line is the command's help.
        measure: gives the rows of the table, with a column ``detector``.
        columns: of the table.
        arguments: those of the command; None: of this process.
    """
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument(
        "--run",
        type=path_of("NAME"),
        action="append",
        metavar="NAME=WORKDIR",
        help="a run whose detector scores them, called NAME; without it: the bundled one",
    )
    flags = parser.parse_args(None if arguments is None else list(arguments))
    if flags.run:
        rows: list[Mapping[str, str]] = [
            {**row, "detector": name}
            for name, workdir in flags.run
            for row in measure(flags.source, Detector.load(workdir, calibrated=False))
        ]
    else:
        rows = [*measure(flags.source, Detector.default())]
    flags.output.parent.mkdir(parents=True, exist_ok=True)
    write_file(flags.output, csv_text(columns, rows))
