"""Bootstrap intervals of every generator of the tables, from the scores of all seeds."""

import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from input_pipeline.errors import UserError
from npr_jax.analysis.paper_tables.tables import PaperTable
from npr_jax.analysis.statistics.bootstrap import N_RESAMPLES, interval_over_seeds, resample
from npr_jax.evaluation.results import read_scores
from npr_jax.evaluation.tables import METRICS, Scores, pair, same_images

MEAN = "mean"
Intervals = Mapping[tuple[int, str, str], tuple[float, float]]


def image_intervals(
    tables: Sequence[PaperTable], *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> Intervals:
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
        seeds = scores_of(table)
        logits = np.stack([scores.logits for scores in seeds])
        folders = {row.folder for row in table.rows}
        groups = [group for group in pair(seeds[0]) if group.name in folders]
        for metric in METRICS:
            mean = np.zeros((len(seeds), n_resamples))
            for number, group in enumerate(groups):
                if group.pairing == "none" and metric != "fake_accuracy":
                    continue
                labels, rows = seeds[0].labels[group.index], logits[:, group.index]
                stream = 1000 * seed + number  # other draws for every generator
                samples = resample(labels, rows, metric, n_resamples=n_resamples, seed=stream)
                found[table.number, group.name, metric] = interval_over_seeds(samples)
                mean += samples / len(groups)
            if all(group.pairing == "own" for group in groups):
                found[table.number, MEAN, metric] = interval_over_seeds(mean)
    return found


def scores_of(table: PaperTable) -> list[Scores]:
    """The scores of the table's rows, one for each seed: photographs, and those generators' images.

    Raises:
        ValueError: the seeds were not scored on the same images.
    """
    folders = [
        pathlib.Path(workdir) / "evaluation" / name
        for workdir, name in zip(table.workdirs, table.evaluations, strict=True)
    ]
    names = [row.folder for row in table.rows]
    seeds = [_of_generators(read_scores(folder / "scores.csv"), names) for folder in folders]
    for folder, scores in zip(folders, seeds, strict=True):
        if not same_images(scores, seeds[0]):
            raise UserError(
                f"{folder} and {folders[0]} hold scores of different images; evaluate all seeds on "
                "the same prepared data set"
            )
    return seeds


def _of_generators(scores: Scores, names: Sequence[str]) -> Scores:
    """Without generators that are no row, and the photographs that stand beside them alone."""
    known = np.isin(scores.generators, names)
    with_fakes = np.unique(scores.generators[scores.labels == 1])
    return scores.subset(np.flatnonzero(known | ~np.isin(scores.generators, with_fakes)))
