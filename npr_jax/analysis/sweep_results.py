"""A sweep's results: the rows of its `runs.csv`, and which variant the others are compared with."""

import dataclasses
import json
import os
import pathlib
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.storage.csv_files import read_csv
from input_pipeline.storage.whole_content import whole_content
from npr_jax.sweep.table import read_table

FILE = "runs.csv"
_NEEDED = (
    "sweep", "variant", "seed", "generator", "kind", "n_photographs", "n_generated",
    "model_settings", "data", "split", "delivery", "train_images", "parameters",
    "accuracy", "best_accuracy", "ap", "auc",
)  # fmt: skip
# The published detector, whatever its backbone.
_PUBLISHED = {
    "name": "npr",
    "factors": [0.5],
    "modes": ["nearest"],
    "phases": [[0, 0]],
    "colors": ["rgb"],
}


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What `runs.csv` of a sweep holds.

    Attributes:
        workdir: the sweep's directory.
        name: of the sweep.
        rows: one per run and generator, {column: value}; measures are shares in [0, 1] or None.
        variants: in the order of the table.
        seeds: all of them, ascending.
        baseline: the variant that the others are compared with.
    """

    workdir: pathlib.Path
    name: str
    rows: list[dict[str, Any]]
    variants: tuple[str, ...]
    seeds: tuple[int, ...]
    baseline: str

    @property
    def judged(self) -> str:
        """The kind of generators that variants are judged by: unseen ones where there are any."""
        return "unseen" if any(row["kind"] == "unseen" for row in self.rows) else "trained"

    def has(self, measure: str, kind: str) -> bool:
        """Whether any row of that kind has a value of the measure."""
        return any(row["kind"] == kind and row[measure] is not None for row in self.rows)

    @property
    def n_runs(self) -> int:
        """Variants times the seeds of each."""
        return len({(row["variant"], row["seed"]) for row in self.rows})

    def values(self, column: str) -> str:
        """The different values where generators were tested; a range where more than three."""
        tested = [row for row in self.rows if row["kind"] != "photographs"]
        found = sorted({str(row[column]) for row in tested}, key=lambda text: (len(text), text))
        return " and ".join(found) if len(found) <= 3 else f"{found[0]} to {found[-1]}"


def is_sweep(workdir: str | os.PathLike[str]) -> bool:
    """Whether the directory is a sweep's that has a table."""
    return (pathlib.Path(workdir) / FILE).is_file()


def read_sweep(workdir: str | os.PathLike[str], baseline: str = "") -> Sweep:
    """Reads `<workdir>/runs.csv`.

    The baseline is a variant; empty: the one that is the published NPR (nearest, factor 0.5, RGB),
    where it is the only one, otherwise the first of the table.

    Raises:
        ValueError: the table lacks columns or rows, a value is no number, or there is no such
            variant.
    """
    workdir = pathlib.Path(workdir)
    path = workdir / FILE
    with whole_content(path, "run the sweep again"):
        columns, _ = read_csv(path)
    if missing := [column for column in _NEEDED if column not in columns]:
        raise UserError(f"{path} lacks the columns {', '.join(missing)}; run the sweep again")
    rows = read_table(path)
    if not rows:
        raise UserError(f"{path} has no rows: no run of the sweep is finished yet")
    variants = tuple(dict.fromkeys(row["variant"] for row in rows))
    if baseline and baseline not in variants:
        raise UserError(f"--baseline={baseline}; the variants are {', '.join(variants)}")
    with whole_content(path, "run the sweep again"):
        published = _published(rows)
    return Sweep(
        workdir=workdir,
        name=rows[0]["sweep"],
        rows=rows,
        variants=variants,
        seeds=tuple(sorted({row["seed"] for row in rows})),
        baseline=baseline or published or variants[0],
    )


def _published(rows: list[dict[str, Any]]) -> str | None:
    """The variant that is the published detector, where it is the only one."""
    settings = {row["variant"]: json.loads(row["model_settings"]) for row in rows}
    found = [name for name, model in settings.items() if model == model | _PUBLISHED]
    return found[0] if len(found) == 1 else None
