"""What the weights of the scales say: how they differ between generators, and what goes with them.

The sentences about them are in the page's templates, as attention.txt.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from input_pipeline.errors import UserError
from npr_jax.analysis.families import family_of
from npr_jax.analysis.statistics.paired_tests import holm
from npr_jax.analysis.statistics.permutation import (
    PermutationTest,
    families_cohere,
    groups_differ,
    rank_correlation,
)
from npr_jax.analysis.statistics.within_groups import Separation, separations
from npr_jax.evaluation.tables import Scores, is_control

PHOTOGRAPHS = "photographs"
QUARTILES = (5, 25, 50, 75, 95)  # percent


@dataclasses.dataclass(frozen=True)
class Kind:
    """The weights of one generator's images, or of the photographs of one source.

    Attributes:
        label: 1 generated, 0 photographs.
        family: that the generator belongs to; ``photographs`` for those.
        weights: float ``[n, scales]``.
        right: bool ``[n]``, whether the image was called what it is.
    """

    generator: str
    label: int
    family: str
    weights: np.ndarray
    right: np.ndarray

    @property
    def is_generator(self) -> bool:
        """Whether it counts in tests: a generator that up-samples, so no control."""
        return self.label == 1 and not is_control(self.generator)


@dataclasses.dataclass(frozen=True)
class Correlation:
    """One scale's weight and being right.

    Attributes:
        within: whether, of two images of one generator, the one called what it is has the
            larger weight; None where there are too few mistakes to compare.
        across: Spearman's correlation of the generators' mean weights with their accuracies;
            None for fewer than three generators.
        within_p, across_p: adjusted for the number of scales (Holm).
    """

    scale: str
    within: Separation | None
    across: PermutationTest | None
    within_p: float | None
    across_p: float | None


@dataclasses.dataclass(frozen=True)
class Findings:
    """What one evaluation's weights say.

    Attributes:
        scales: names, in the order of the weights' columns.
        kinds: photographs first, then generators by family and name, controls last.
        images: do generators differ, image by image; None for fewer than two generators.
        families: are generators of one family alike; None where families allow no comparison.
        within_family, between_families: mean Euclidean distance of two generators' mean weights.
        correlations: one per scale.
    """

    scales: tuple[str, ...]
    kinds: list[Kind]
    images: PermutationTest | None
    families: PermutationTest | None
    within_family: float | None
    between_families: float | None
    correlations: list[Correlation]

    @property
    def dominant(self) -> tuple[str, float, float]:
        """The scale with the largest weight, its mean over the kinds, and the least of any kind."""
        means = np.array([kind.weights.mean(axis=0) for kind in self.kinds])
        largest = int(means.mean(axis=0).argmax())
        column = means[:, largest]
        return self.scales[largest], float(column.mean()), float(column.min())


def study(scores: Scores, families: Mapping[str, str] | None = None) -> Findings:
    """All findings of one evaluation.

    `families` is generator to family, before those known, see ``npr_jax.analysis.families``.

    Raises:
        ValueError: the scores have no weights.
    """
    if scores.weights is None:
        raise UserError("these scores have no weights of scales: the system does not weigh any")
    kinds = _kinds(scores, families)
    generators = [kind for kind in kinds if kind.is_generator]
    images = None
    if len(generators) > 1:
        weights = np.concatenate([kind.weights for kind in generators])
        names = np.repeat([k.generator for k in generators], [len(k.weights) for k in generators])
        images = groups_differ(weights, names)
    means = np.array([kind.weights.mean(axis=0) for kind in generators])
    members = np.array([kind.family for kind in generators])
    within, between = _distances(means, members)
    cohere = None
    if within is not None and between is not None:
        cohere = families_cohere(means, members)
    correlations = _correlations(scores.scales, kinds)
    return Findings(scores.scales, kinds, images, cohere, within, between, correlations)


def _kinds(scores: Scores, families: Mapping[str, str] | None) -> list[Kind]:
    weights = np.asarray(scores.weights, np.float64)
    right = (scores.logits > 0) == (scores.labels == 1)
    kinds = []
    for label, name in sorted(
        set(zip(scores.labels.tolist(), scores.generators.tolist(), strict=True))
    ):
        mine = (scores.labels == label) & (scores.generators == name)
        family = family_of(name, families) if label else PHOTOGRAPHS
        kinds.append(Kind(name, label, family, weights[mine], right[mine]))
    return sorted(
        kinds,
        key=lambda k: (k.label, is_control(k.generator), k.family.lower(), k.generator.lower()),
    )


def _distances(means: np.ndarray, families: np.ndarray) -> tuple[float | None, float | None]:
    """Mean distance of two members of one family, and of two of different ones."""
    if len(means) < 2:
        return None, None
    distances = np.linalg.norm(means[:, None] - means[None], axis=-1)
    upper = np.triu_indices(len(means), 1)
    same = (families[:, None] == families[None])[upper]
    values = (distances[upper][which] for which in (same, ~same))
    within, between = (float(part.mean()) if part.size else None for part in values)
    return within, between


def _correlations(scales: Sequence[str], kinds: Sequence[Kind]) -> list[Correlation]:
    counted = [kind for kind in kinds if not is_control(kind.generator)]
    sizes = [len(kind.right) for kind in counted]
    right = np.concatenate([kind.right for kind in counted])
    groups = np.repeat(np.arange(len(counted)), sizes)
    weights = np.concatenate([kind.weights for kind in counted])
    columns = {scale: weights[:, place] for place, scale in enumerate(scales)}
    within = {row.name: row for row in separations(right, columns, groups)}
    generators = [kind for kind in kinds if kind.is_generator]
    across: dict[str, PermutationTest] = {}
    if len(generators) > 2:
        accuracies = np.array([kind.right.mean() for kind in generators])
        means = np.array([kind.weights.mean(axis=0) for kind in generators])
        across = {
            scale: rank_correlation(means[:, place], accuracies)
            for place, scale in enumerate(scales)
        }
    within_p, across_p = _adjusted(within), _adjusted(across)
    return [
        Correlation(s, within.get(s), across.get(s), within_p.get(s), across_p.get(s))
        for s in scales
    ]


def _adjusted(tests: Mapping[str, Separation] | Mapping[str, PermutationTest]) -> dict[str, float]:
    return dict(zip(tests, holm([test.p_value for test in tests.values()]), strict=True))
