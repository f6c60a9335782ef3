"""The committed result tables, ``docs/results/NAME.csv``: the ``runs.csv`` of the sweep NAME."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from docs.research.lists import every
from npr_jax.sweep import table

COUNTS = ("n_photographs", "n_generated")
WEIGHT = "weight_"  # and the scale: a column of the mean softmax weights


@dataclasses.dataclass(frozen=True)
class ResultTable:
    """The rows of one sweep.

    Attributes:
        name: of the sweep, and of the file without its suffix.
        rows: one per run and generator, as docs/systems.md explains them; measures as fractions
            from 0 to 1, None where there is none.
    """

    name: str
    rows: Sequence[Mapping[str, Any]]

    def only_variants(self, names: Iterable[str]) -> ResultTable:
        """The rows of these variants."""
        wanted = set(names)
        return ResultTable(self.name, [row for row in self.rows if row["variant"] in wanted])

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of the settings that were compared, in the order of the table."""
        return tuple(dict.fromkeys(row["variant"] for row in self.rows))

    def generators(self, kind: str | None = None) -> tuple[str, ...]:
        """Generators of a kind (``trained``, ``unseen``, ``control``), None: trained and unseen."""
        kinds = ("trained", "unseen") if kind is None else (kind,)
        return tuple(dict.fromkeys(row["generator"] for row in self.rows if row["kind"] in kinds))

    def seeds(self, variants: Iterable[str] | None = None) -> tuple[int, ...]:
        """Seeds that all of these variants have been run with, None: those of any."""
        names = list(self.variants if variants is None else variants)
        found = [{row["seed"] for row in self.rows if row["variant"] == name} for name in names]
        if not found:
            return ()
        return tuple(sorted(set.union(*found) if variants is None else set.intersection(*found)))

    def only_seeds(self, seeds: Iterable[int]) -> ResultTable:
        """The rows of runs with these seeds."""
        wanted = set(seeds)
        return ResultTable(self.name, [row for row in self.rows if row["seed"] in wanted])

    @property
    def deliveries(self) -> tuple[str, ...]:
        """How test images were sent before they were scored, in the order of the table."""
        return tuple(dict.fromkeys(row["delivery"] for row in self.rows))

    def of_delivery(self, name: str) -> ResultTable:
        """The rows of one delivery."""
        return ResultTable(self.name, [row for row in self.rows if row["delivery"] == name])

    def mean_of_deliveries(self) -> ResultTable:
        """One row for each run and generator, its AUC the mean over deliveries."""
        found: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
        for row in self.rows:
            found.setdefault((row["variant"], row["seed"], row["generator"]), []).append(row)
        return ResultTable(
            self.name,
            [{**rows[0], "auc": _mean([row["auc"] for row in rows])} for rows in found.values()],
        )

    def points(
        self, variant: str, generators: Sequence[str], seeds: Sequence[int], column: str = "auc"
    ) -> np.ndarray:
        """A measure in points (percent), float64 ``[seeds, generators]``; NaN where unknown."""
        found = {
            (row["seed"], row["generator"]): row[column]
            for row in self.rows
            if row["variant"] == variant and row.get(column) is not None
        }
        values = [[found.get((seed, name), np.nan) for name in generators] for seed in seeds]
        return 100.0 * np.array(values, np.float64).reshape(len(seeds), len(generators))

    def scales(self, variant: str) -> tuple[str, ...]:
        """Scales that a variant's attention chooses between; none without attention."""
        rows = [row for row in self.rows if row["variant"] == variant]
        columns = [key for row in rows[:1] for key in row if key.startswith(WEIGHT)]
        return tuple(key.removeprefix(WEIGHT) for key in columns if rows[0][key] is not None)

    @property
    def runs(self) -> int:
        """How many runs it has: variants times seeds, when complete."""
        return len({(row["variant"], row["seed"]) for row in self.rows})

    def said(self, column: str) -> str:
        """What a column holds, every value once."""
        return every(self.rows, column)

    def test_images(self) -> str:
        """Generated images and photographs behind a number."""
        tested = [row for row in self.rows if row["kind"] in ("trained", "unseen")]
        generated = _range(row["n_generated"] for row in tested)
        photographs = _range(row["n_photographs"] for row in tested)
        return f"{generated} generated images and {photographs} photographs"

    def sample(self) -> str:
        """Data, images and seeds in a few words, for a caption."""
        seeds = _range(len(self.seeds([name])) for name in self.variants)
        return (
            f"data {self.said('data')}; {self.said('train_images')} training images, "
            f"{self.test_images()} per test generator; {seeds} seeds"
        )


def read_tables(directory: pathlib.Path) -> dict[str, ResultTable]:
    """All tables of a directory by name."""
    return {path.stem: read_table(path) for path in sorted(directory.glob("*.csv"))}


def read_table(path: pathlib.Path) -> ResultTable:
    """A ``runs.csv``; counts and measures as numbers, None where there is none.

    Raises:
        ValueError: if the file is no such table.
    """
    try:
        rows = table.read_table(path)
        for row in rows:
            row |= {key: int(row[key]) for key in COUNTS}
            weights = [key for key in row if key.startswith(WEIGHT)]
            row |= {key: float(row[key]) if row[key] else None for key in weights}
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(
            f"{path} is no runs.csv of a sweep, as docs/systems.md explains it: {error}"
        ) from error
    if not rows:
        raise ValueError(f"{path} has no rows; expected a sweep's runs.csv")
    return ResultTable(path.stem, rows)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def _range(numbers: Iterable[int]) -> str:
    found = sorted(set(numbers))
    if not found:
        return "no"
    return str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"
