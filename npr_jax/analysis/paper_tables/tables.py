"""Tables 1 to 5 of the NPR paper, from what `evaluate` left in one workdir or in one per seed.

An evaluation belongs to the table that its results name (``meta.table``), which they do for data
sets prepared with ``--dataset=NAME``. Generators are those of the catalogue; others count nowhere.
"""

import dataclasses
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.prepare.catalog import CATALOG, CatalogEntry
from npr_jax.analysis.paper_tables.published import NPR
from npr_jax.analysis.run_results import read_results
from npr_jax.analysis.statistics.bootstrap import N_RESAMPLES, interval_over_seeds, resample
from npr_jax.evaluation.results import read_scores
from npr_jax.evaluation.tables import METRICS, Scores, pair, same_images

PUBLISHED = ("accuracy", "ap")  # what the paper gives, in that order
MEAN = "mean"
Intervals = Mapping[tuple[int, str, str], tuple[float, float]]


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

    def published(self, metric: str) -> float:
        """The paper's mean over the same generators, from 0 to 1; nan without rows."""
        return published_mean(self.rows, metric)


def read_paper_tables(workdirs: Sequence[str | os.PathLike[str]]) -> list[PaperTable]:
    """All five tables of runs or ``--output`` directories, several of them seeds of one system.

    Those that were not evaluated have no rows.

    Raises:
        ValueError: a workdir is no directory, or is given twice.
    """
    names = [os.fspath(workdir) for workdir in workdirs]
    if len({os.path.realpath(name) for name in names}) < len(names):
        raise UserError(f"--workdir={','.join(names)} names a directory twice; each is one seed")
    results = {name: read_results(name) for name in names}
    return [_table(entry, results) for entry in CATALOG if entry.table]


def image_intervals(tables: Sequence[PaperTable], *, n_resamples: int = N_RESAMPLES) -> Intervals:
    """95 % intervals over images and, if there are several, seeds.

    Returns:
        By (table, generator's folder, metric). The mean over a table's generators is there as
        ``MEAN``, unless they share photographs: their draws would not be independent.

    Raises:
        ValueError: the seeds of a table were not scored on the same images.
    """
    found: dict[tuple[int, str, str], tuple[float, float]] = {}
    for table in tables:
        if not table.rows:
            continue
        seeds = _scores_of(table)
        logits = np.stack([scores.logits for scores in seeds])
        folders = {row.folder for row in table.rows}
        groups = [group for group in pair(seeds[0]) if group.name in folders]
        for metric in METRICS:
            mean = np.zeros((len(seeds), n_resamples))
            for number, group in enumerate(groups):
                if group.pairing == "none" and metric != "fake_accuracy":
                    continue
                labels, rows = seeds[0].labels[group.index], logits[:, group.index]
                # Other draws for every generator.
                samples = resample(labels, rows, metric, n_resamples=n_resamples, seed=number)
                found[table.number, group.name, metric] = interval_over_seeds(samples)
                mean += samples / len(groups)
            if all(group.pairing == "own" for group in groups):
                found[table.number, MEAN, metric] = interval_over_seeds(mean)
    return found


def _scores_of(table: PaperTable) -> list[Scores]:
    """The scores of the table's rows, one for each seed: photographs, and those generators' images.

    Generators that are no row are left out, and the photographs that stand beside them alone.
    """
    folders = [
        pathlib.Path(workdir) / "evaluation" / name
        for workdir, name in zip(table.workdirs, table.evaluations, strict=True)
    ]
    names = [row.folder for row in table.rows]
    seeds: list[Scores] = []
    for folder in folders:
        scores = read_scores(folder / "scores.csv")
        known = np.isin(scores.generators, names)
        with_fakes = np.unique(scores.generators[scores.labels == 1])
        known |= ~np.isin(scores.generators, with_fakes)
        seeds.append(scores.subset(np.flatnonzero(known)))
        if not same_images(seeds[-1], seeds[0]):
            raise UserError(
                f"{folder} and {folders[0]} hold scores of different images; evaluate all seeds on "
                "the same prepared data set"
            )
    return seeds


def over_generators(rows: Sequence[Row], metric: str, *, weighted: bool = False) -> np.ndarray:
    """Mean of a metric over rows that know it, float64 [s], one per seed; empty without any."""
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
    notes: list[str] = []
    for workdir, evaluations in results.items():
        found = [r for r in evaluations.values() if r["meta"].get("catalogue") == entry.name]
        if found:
            chosen[workdir], *others = sorted(found, key=_preference)
            notes += _notes(workdir, chosen[workdir]["meta"], others)
    if absent := [workdir for workdir in results if workdir not in chosen]:
        notes += [f"not evaluated in {', '.join(absent)}"] if chosen else ["not evaluated"]
    number = entry.table or 0
    per_seed = {
        workdir: {row["generator"]: row for row in result["generators"]}
        for workdir, result in chosen.items()
    }
    rows, missing = [], {}
    for folder, paper in NPR[number].items():  # in the order of the paper's columns
        generator = entry.find(folder)
        if generator is None:
            continue
        lacking = [workdir for workdir, known in per_seed.items() if folder not in known]
        if chosen and not lacking:
            of_seeds = [known[folder] for known in per_seed.values()]
            rows.append(_row(folder, generator.title or folder, of_seeds, paper))
        else:
            absent_in = f"no generated images in {', '.join(lacking)}"
            missing[folder] = absent_in if chosen else "not evaluated"
    names = tuple(result["name"] for result in chosen.values())
    return PaperTable(number, entry, tuple(chosen), names, tuple(rows), missing, tuple(notes))


def _row(
    folder: str, title: str, per_seed: Sequence[Mapping[str, Any]], paper: Sequence[float]
) -> Row:
    first = per_seed[0]
    values = {
        metric: np.array([np.nan if row[metric] is None else row[metric] for row in per_seed])
        for metric in METRICS
    }
    counts = first["n_photographs"], first["n_generated"], first["weight"]
    published = {metric: value / 100 for metric, value in zip(PUBLISHED, paper, strict=True)}
    return Row(folder, title, values, *counts, published)


def _preference(results: Mapping[str, Any]) -> tuple[bool, bool, str]:
    """Evaluations as published come first, then those of clean images, then by name."""
    meta = results["meta"]
    return not meta["as_published"], meta["delivery"] != "clean", results["name"]


def _notes(
    workdir: str, meta: Mapping[str, Any], others: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    if not meta["as_published"]:
        yield (
            f"{workdir}: images were not prepared as published ({meta['protocol']}) but: "
            f"{meta['preprocessing']}, delivery {meta['delivery']}"
        )
    if others:
        names = ", ".join(result["name"] for result in others)
        yield f"{workdir}: also evaluated, not in the table: {names}"
