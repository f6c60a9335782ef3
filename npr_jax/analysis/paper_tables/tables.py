"""Tables 1 to 5 of the NPR paper, from what `evaluate` left in one workdir or in one per seed.

An evaluation belongs to the table that its results name (``meta.table``), which they do for data
sets prepared with ``--dataset=NAME``. Generators are those of the catalogue; others count nowhere.
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.prepare.catalog import catalog
from input_pipeline.prepare.catalog_entry import CatalogEntry, Generator
from npr_jax.analysis.paper_tables.published import NPR
from npr_jax.analysis.run_results import read_results
from npr_jax.evaluation.tables import METRICS

PUBLISHED = ("accuracy", "ap")  # what the paper gives, in that order


@dataclasses.dataclass(frozen=True)
class Row:
    """One generator.

    Attributes:
        folder, title: its names in the archive and in the paper.
        values: {metric of ``tables.METRICS``: float64 [s], one per seed, from 0 to 1; nan
            where it needs a class without images}.
        n_photographs, n_generated: images.
        weight: images, a photograph that stands beside r generators counted 1/r.
        published: {"accuracy", "ap"}: the paper's, from 0 to 1.
    """

    folder: str
    title: str
    values: Mapping[str, np.ndarray]
    n_photographs: int
    n_generated: int
    weight: float
    published: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class PaperTable:
    """One of the five tables.

    Attributes:
        number: 1 to 5.
        entry: of the catalogue.
        workdirs: those that have evaluated it, one per seed.
        evaluations: the evaluation read in each of them.
        rows: generators that all of these have, in the paper's order.
        missing: generators that are not among the rows, and why.
        notes: what departs from the published protocol.
    """

    number: int
    entry: CatalogEntry
    workdirs: tuple[str, ...]
    evaluations: tuple[str, ...]
    rows: tuple[Row, ...]
    missing: Mapping[str, str]
    notes: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every generator of the table is there."""
        return not self.missing

    def mean(self, metric: str) -> np.ndarray:
        """Unweighted mean over generators, float64 [s]."""
        return over_generators(self.rows, metric)

    def weighted(self, metric: str) -> np.ndarray:
        """Mean over generators weighted by their images, float64 [s]."""
        return over_generators(self.rows, metric, weighted=True)

    def published(self, metric: str) -> float:
        """The paper's mean over the same generators, from 0 to 1; nan without rows."""
        return published_mean(self.rows, metric)


def read_paper_tables(workdirs: Sequence[str | os.PathLike[str]]) -> list[PaperTable]:
    """All five tables; those that were not evaluated have no rows.

    Args:
        workdirs: runs or ``--output`` directories of evaluate; several are seeds of one system.

    Raises:
        ValueError: a workdir is no directory, or is given twice.
    """
    names = [os.fspath(workdir) for workdir in workdirs]
    if len({os.path.realpath(name) for name in names}) < len(names):
        raise UserError(f"--workdir={','.join(names)} names a directory twice; each is one seed")
    results = {name: read_results(name) for name in names}
    return [_table(entry, results) for entry in catalog() if entry.table]


def over_generators(rows: Sequence[Row], metric: str, *, weighted: bool = False) -> np.ndarray:
    """Mean of a metric over rows, per seed; rows where it is unknown are left out.

    Returns:
        float64 [s]; empty without such rows.
    """
    known = [row for row in rows if not np.isnan(row.values[metric]).any()]
    if not known:
        return np.empty(0)
    weights = [row.weight if weighted else 1.0 for row in known]
    return np.average([row.values[metric] for row in known], axis=0, weights=weights)


def published_mean(rows: Sequence[Row], metric: str, *, weighted: bool = False) -> float:
    """The paper's mean over these generators; nan where the paper has no such metric."""
    if metric not in PUBLISHED or not rows:
        return float("nan")
    weights = [row.weight if weighted else 1.0 for row in rows]
    return float(np.average([row.published[metric] for row in rows], weights=weights))


def mean_of_tables(tables: Sequence[PaperTable], metric: str) -> np.ndarray:
    """Each table once, per seed; the mean over seeds alone where tables have different ones."""
    means = [table.mean(metric) for table in tables]
    means = [mean for mean in means if mean.size]
    if len({table.workdirs for table in tables}) > 1:
        means = [mean.mean(keepdims=True) for mean in means]
    return np.mean(means, axis=0) if means else np.empty(0)


def _table(entry: CatalogEntry, results: Mapping[str, Mapping[str, Any]]) -> PaperTable:
    chosen: dict[str, Mapping[str, Any]] = {}
    notes = []
    for workdir, evaluations in results.items():
        found = [r for r in evaluations.values() if r["meta"].get("catalogue") == entry.name]
        if not found:
            continue
        found.sort(key=_preference)
        chosen[workdir] = found[0]
        notes += _notes(workdir, found)
    if absent := [workdir for workdir in results if workdir not in chosen]:
        notes += [f"not evaluated in {', '.join(absent)}"] if chosen else ["not evaluated"]
    number = entry.table or 0
    # In the order of the paper's columns.
    generators = [g for folder in NPR[number] if (g := entry.find(folder))]
    per_seed = [{row["generator"]: row for row in r["generators"]} for r in chosen.values()]
    missing = {
        generator.folder: reason
        for generator in generators
        if (reason := _lacking(generator, dict(zip(chosen, per_seed, strict=True))))
    }
    rows = [
        _row(generator, [seed[generator.folder] for seed in per_seed], number)
        for generator in generators
        if generator.folder not in missing
    ]
    return PaperTable(
        number=number,
        entry=entry,
        workdirs=tuple(chosen),
        evaluations=tuple(result["name"] for result in chosen.values()),
        rows=tuple(rows),
        missing=missing,
        notes=tuple(notes),
    )


def _lacking(generator: Generator, seeds: Mapping[str, Mapping[str, Any]]) -> str:
    """Why a generator is not among the rows; empty if it is."""
    if not seeds:
        return "not evaluated"
    absent = [workdir for workdir, rows in seeds.items() if generator.folder not in rows]
    return f"no generated images in {', '.join(absent)}" if absent else ""


def _row(generator: Generator, per_seed: Sequence[Mapping[str, Any]], table: int) -> Row:
    first = per_seed[0]
    paper = NPR[table][generator.folder]
    return Row(
        folder=generator.folder,
        title=generator.title or generator.folder,
        values={
            metric: np.array(
                [np.nan if row[metric] is None else row[metric] for row in per_seed], np.float64
            )
            for metric in METRICS
        },
        n_photographs=first["n_photographs"],
        n_generated=first["n_generated"],
        weight=first["weight"],
        published={metric: value / 100 for metric, value in zip(PUBLISHED, paper, strict=True)},
    )


def _preference(results: Mapping[str, Any]) -> tuple[bool, bool, str]:
    """Evaluations as published come first, then those of clean images, then by name."""
    meta = results["meta"]
    return not meta["as_published"], meta["delivery"] != "clean", results["name"]


def _notes(workdir: str, found: Sequence[Mapping[str, Any]]) -> list[str]:
    meta, notes = found[0]["meta"], []
    if not meta["as_published"]:
        notes.append(
            f"{workdir}: images were not prepared as published ({meta['protocol']}) but: "
            f"{meta['preprocessing']}, delivery {meta['delivery']}"
        )
    if found[1:]:
        others = ", ".join(result["name"] for result in found[1:])
        notes.append(f"{workdir}: also evaluated, not in the table: {others}")
    return notes
