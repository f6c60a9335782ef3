"""Variants of a sweep beside each other, from the rows of ``runs.csv``.

A run is a variant trained with one seed; its measure is the mean over its generators of a kind.
Two variants are paired by seed and generator: what one of them lacks is left out of both.

The rows carry no scores, so what varies here is the seed. The tests over seeds ask whether the
difference would be there with other seeds, on these generators and images; those over generators
(means over seeds) whether it would be there on other generators.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from npr_jax.analysis.statistics.bootstrap import SeedsEstimate, bootstrap_seeds
from npr_jax.analysis.statistics.paired_tests import PairedTest, holm, paired_t, wilcoxon
from npr_jax.analysis.statistics.wording import beyond_noise, count_of, format_test, sentence

Rows = Iterable[Mapping[str, Any]]
MEAN = "mean"
TITLES = {"ap": "AP", "auc": "AUC"}


@dataclasses.dataclass(frozen=True)
class SeedSummary:
    """One variant's measure on a generator, or its mean over generators.

    Attributes:
        variant: its name.
        generator: its name; "mean" for the mean over all of that kind.
        n_generators: how many the value is a mean of.
        estimate: over seeds, with its interval; nan for one seed.
    """

    variant: str
    generator: str
    n_generators: int
    estimate: SeedsEstimate

    @property
    def n_seeds(self) -> int:
        """How many seeds the estimate is over."""
        return len(self.estimate.values)


@dataclasses.dataclass(frozen=True)
class VariantComparison:
    """Two variants, a - b throughout.

    Attributes:
        a, b, measure, kind: what was compared.
        seeds: that both have; generators: those too.
        mean_a, mean_b: over those seeds and generators.
        gaps: float [seeds, generators], the differences.
        difference: over seeds, of the mean over generators; its interval is nan for one seed.
        tests: paired t and Wilcoxon over seeds, then over generators, by those names:
            "t_seeds", "wilcoxon_seeds", "t_generators", "wilcoxon_generators"; those that need more
            pairs than there are, are missing.
        adjusted_p: of the deciding test, by Holm over the comparisons made together; its own p for
            one alone.
    """

    a: str
    b: str
    measure: str
    kind: str
    seeds: tuple[int, ...]
    generators: tuple[str, ...]
    mean_a: float
    mean_b: float
    gaps: np.ndarray
    difference: SeedsEstimate
    tests: Mapping[str, PairedTest]
    adjusted_p: float | None

    @property
    def decides(self) -> PairedTest | None:
        """The paired t test over seeds; with one seed, over generators; None without pairs."""
        return self.tests.get("t_seeds") or self.tests.get("t_generators")

    @property
    def interval(self) -> tuple[float, float]:
        """Of the difference: over seeds; with one seed, the t interval over generators."""
        test = self.decides
        return self.difference.interval if len(self.seeds) > 1 or not test else test.interval

    @property
    def beyond_noise(self) -> bool:
        """Whether the difference counts, see ``wording.beyond_noise``."""
        return self.adjusted_p is not None and beyond_noise(*self.interval, self.adjusted_p)

    @property
    def sentence(self) -> str:
        """The comparison in words, and what the tests over generators say beside it."""
        what = (
            f"{TITLES.get(self.measure, self.measure.replace('_', ' '))}, mean over "
            f"{count_of(len(self.generators), f'{self.kind} generator')} and "
            f"{count_of(len(self.seeds), 'seed')}"
        )
        test = self.decides
        if test is None or self.adjusted_p is None:
            return (
                f"{what}: {self.a} {100 * self.mean_a:.1f} %, {self.b} {100 * self.mean_b:.1f} %; "
                "one pair alone says nothing of noise."
            )
        means = self.mean_a, self.mean_b
        adjusted = None if self.adjusted_p == test.p_value else self.adjusted_p
        text = sentence(what, self.a, self.b, *means, self.interval, test, adjusted_p=adjusted)
        beside = [self.tests[n] for n in ("t_generators", "wilcoxon_generators") if n in self.tests]
        if len(self.seeds) > 1 and beside:
            text += f" Over generators: {'; '.join(map(format_test, beside))}."
        return text


def seed_summary(rows: Rows, measure: str = "ap", *, kind: str = "unseen") -> list[SeedSummary]:
    """Mean, standard deviation and interval over seeds: per variant and generator, and their mean.

    They come in the order of the rows; each variant's generators, then its "mean", which is over
    seeds that have every generator of the variant.

    Args:
        rows: of ``runs.csv``: variant, seed, generator, kind and measures from 0 to 1.
        measure: a column, such as "ap", "auc", "accuracy", "best_accuracy".
        kind: "unseen", "trained", "control" or "photographs".

    Raises:
        ValueError: the rows have no such kind or measure.
    """
    summaries = []
    for variant, values in _by_variant(rows, measure, kind).items():
        generators = list(dict.fromkeys(generator for _, generator in values))
        seeds = sorted({number for number, _ in values})
        complete = [s for s in seeds if all((s, g) in values for g in generators)]
        columns = {g: [values[s, g] for s in seeds if (s, g) in values] for g in generators}
        if complete:
            columns[MEAN] = [float(np.mean([values[s, g] for g in generators])) for s in complete]
        for generator, numbers in columns.items():
            count = len(generators) if generator == MEAN else 1
            summaries.append(SeedSummary(variant, generator, count, bootstrap_seeds(numbers)))
    return summaries


def compare_variants(
    rows: Rows, a: str, b: str, measure: str = "ap", *, kind: str = "unseen"
) -> VariantComparison:
    """Compares two variants, paired by seed and generator; arguments as ``seed_summary``.

    Raises:
        ValueError: a variant is not there, or the two have no seed with a common generator.
    """
    by_variant = _by_variant(rows, measure, kind)
    for name in (a, b):
        if name not in by_variant:
            raise UserError(f"there is no variant {name!r}; there are {', '.join(by_variant)}")
    both = [by_variant[a], by_variant[b]]
    common = [key for key in both[0] if key in both[1]]
    generators = tuple(dict.fromkeys(generator for _, generator in common))
    everywhere = set(common)
    seeds = sorted({s for s, _ in common if all((s, g) in everywhere for g in generators)})
    if not seeds:
        raise UserError(f"{a} and {b} have no seed in which both have the same {kind} generators")
    grids = [np.array([[values[s, g] for g in generators] for s in seeds]) for values in both]
    return compare_grids((a, b), grids, measure, kind, tuple(seeds), generators)


def compare_grids(
    names: tuple[str, str],
    grids: Sequence[np.ndarray],
    measure: str,
    kind: str,
    seeds: tuple[int, ...],
    generators: tuple[str, ...],
) -> VariantComparison:
    """Compares two variants by their values float [seeds, generators]."""
    tests = {}
    of_a, of_b = grids
    for name, axis in (("seeds", 1), ("generators", 0)):
        means = of_a.mean(axis=axis), of_b.mean(axis=axis)
        if means[0].size > 1:
            tests[f"t_{name}"] = paired_t(*means)
            tests[f"wilcoxon_{name}"] = wilcoxon(*means)
    gaps = of_a - of_b
    difference = bootstrap_seeds(gaps.mean(axis=1))
    asked = *names, measure, kind, seeds, generators, float(of_a.mean()), float(of_b.mean())
    return adjust_together([VariantComparison(*asked, gaps, difference, tests, None)])[0]


def compare_with_baseline(
    rows: Rows, baseline: str, measure: str = "ap", *, kind: str = "unseen"
) -> list[VariantComparison]:
    """Every variant against one, p-values Holm-adjusted over all of them.

    Raises:
        ValueError: see ``compare_variants``.
    """
    kept = list(rows)
    others = [name for name in _by_variant(kept, measure, kind) if name != baseline]
    return adjust_together(
        [compare_variants(kept, name, baseline, measure, kind=kind) for name in others]
    )


def adjust_together(comparisons: Sequence[VariantComparison]) -> list[VariantComparison]:
    """The same comparisons, the p of each deciding test Holm-adjusted over all of them."""
    adjusted = iter(holm([c.decides.p_value for c in comparisons if c.decides]))
    return [
        dataclasses.replace(c, adjusted_p=next(adjusted) if c.decides else None)
        for c in comparisons
    ]


def _by_variant(rows: Rows, measure: str, kind: str) -> dict[str, dict[tuple[int, str], float]]:
    """{variant: {(seed, generator): value}}; rows whose measure is not known are left out."""
    found: dict[str, dict[tuple[int, str], float]] = {}
    kinds = set()
    for row in rows:
        kinds.add(row["kind"])
        if measure not in row:
            raise UserError(f"measure is {measure!r}; the table has the columns {', '.join(row)}")
        if row["kind"] == kind and row[measure] not in (None, ""):
            key = int(row["seed"]), row["generator"]
            found.setdefault(row["variant"], {})[key] = float(row[measure])
    if not found:
        raise UserError(
            f"no row of kind {kind!r} has a value of {measure}; there are the kinds "
            f"{', '.join(sorted(kinds))}"
        )
    return found
