"""Two systems on the same images: DeLong for AUC, McNemar for accuracy, tests over generators.

The tests on images ask whether the difference would be there on other images of the same kind, with
these very weights; p-values are Holm-adjusted over the generators. Those over generators ask
whether it would be there on other generators. Neither says anything of other seeds.
"""

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from input_pipeline.errors import UserError
from npr_jax.analysis.statistics.bootstrap import N_RESAMPLES, bootstrap_metric, evaluate_metric
from npr_jax.analysis.statistics.paired_tests import (
    PairedTest,
    delong,
    holm,
    mcnemar,
    paired_t,
    wilcoxon,
)
from npr_jax.analysis.statistics.wording import format_test, sentence
from npr_jax.evaluation.measures import measure
from npr_jax.evaluation.tables import Scores, is_control, pair, same_images

MEASURES = {"auc": "AUC", "accuracy": "accuracy", "ap": "AP"}


@dataclasses.dataclass(frozen=True)
class ImageTest:
    """One measure of two systems on one generator's images.

    Attributes:
        n_photographs, n_generated: images.
        measure: "auc" (DeLong's test) or "accuracy" (McNemar's, at logit 0).
        a, b: the measure of each, from 0 to 1.
        low, high: 95 % interval of a - b: DeLong's, or by bootstrap.
        test: of the difference.
        adjusted_p: by Holm over the generators.
    """

    generator: str
    n_photographs: int
    n_generated: int
    measure: str
    a: float
    b: float
    low: float
    high: float
    test: PairedTest
    adjusted_p: float = math.nan

    def sentence(self, name_a: str, name_b: str) -> str:
        """The comparison in words."""
        what = (
            f"{self.generator}, {MEASURES[self.measure]} on {self.n_photographs} photographs and "
            f"{self.n_generated} generated images"
        )
        told = what, name_a, name_b, self.a, self.b, (self.low, self.high), self.test
        return sentence(*told, adjusted_p=self.adjusted_p)


@dataclasses.dataclass(frozen=True)
class SystemsComparison:
    """Two systems on the same images.

    Attributes:
        images: tests of every generator, AUC first.
        means: {"auc", "accuracy", "ap"}: (a, b), mean over generators that have it.
        generators: {"auc", "accuracy", "ap"}: paired t and Wilcoxon over generators; without
            those that two generators do not allow.
    """

    images: tuple[ImageTest, ...]
    means: Mapping[str, tuple[float, float]]
    generators: Mapping[str, tuple[PairedTest, PairedTest]]

    def sentences(self, name_a: str, name_b: str) -> list[str]:
        """Over generators first, then each generator."""
        said = []
        for key, (t, signed_ranks) in self.generators.items():
            what = f"{MEASURES[key]}, mean over {t.n} generators"
            text = sentence(what, name_a, name_b, *self.means[key], t.interval, t)
            said.append(f"{text} {format_test(signed_ranks)}.")
        return said + [test.sentence(name_a, name_b) for test in self.images]


def common_images(a: Scores, b: Scores) -> tuple[Scores, Scores]:
    """The images that both have, in the order of the first.

    Raises:
        ValueError: there are none.
    """
    keys_a, keys_b = (
        list(zip(s.labels.tolist(), s.generators.tolist(), s.filenames.tolist(), strict=True))
        for s in (a, b)
    )
    places = {key: index for index, key in enumerate(keys_b)}
    pairs = [(index, places[key]) for index, key in enumerate(keys_a) if key in places]
    if not pairs:
        raise UserError("they have no image in common; evaluate both on the same data")
    at_a, at_b = np.array(pairs).T
    return a.subset(at_a), b.subset(at_b)


def compare_systems(a: Scores, b: Scores, *, n_resamples: int = N_RESAMPLES) -> SystemsComparison:
    """Compares two systems generator by generator and over generators; controls are left out.

    `n_resamples` are of the bootstrap interval of the difference in accuracy.

    Raises:
        ValueError: the scores are of different images, or of control families alone.
    """
    if not same_images(a, b):
        raise UserError("the two systems were scored on different images; nothing can be paired")
    groups = [group for group in pair(a) if not is_control(group.name)]
    if not groups:
        raise UserError("there are no generators but controls; nothing to compare")
    tests: dict[str, list[ImageTest]] = {"auc": [], "accuracy": []}
    values: dict[str, list[tuple[float, float]]] = {key: [] for key in MEASURES}
    for group in groups:
        labels = a.labels[group.index]
        logits = a.logits[group.index], b.logits[group.index]
        rows = [measure(labels, column) for column in logits]
        for key, pairs in values.items():
            if rows[0][key] is not None:
                pairs.append((rows[0][key], rows[1][key]))
        named = group.name, int((labels == 0).sum()), int((labels == 1).sum())
        if min(named[1:]) > 1:
            ranked = delong(labels, *logits)
            areas = ranked.auc_a, ranked.auc_b, *ranked.interval
            tests["auc"].append(ImageTest(*named, "auc", *areas, ranked))
        gap = bootstrap_metric(
            labels, logits[0], "accuracy", against=logits[1], n_resamples=n_resamples
        )
        x, y = (evaluate_metric(labels, column, "accuracy") for column in logits)
        counted = mcnemar(labels, *logits)
        tests["accuracy"].append(ImageTest(*named, "accuracy", x, y, *gap.interval, counted))
    return SystemsComparison(
        images=tuple(
            dataclasses.replace(test, adjusted_p=p)
            for kind in tests.values()
            for test, p in zip(kind, holm([test.test.p_value for test in kind]), strict=True)
        ),
        means={
            key: (sum(x for x, _ in pairs) / len(pairs), sum(y for _, y in pairs) / len(pairs))
            for key, pairs in values.items()
            if pairs
        },
        generators={
            key: (paired_t(*columns), wilcoxon(*columns))
            for key, pairs in values.items()
            if len(pairs) > 1 and (columns := tuple(zip(*pairs, strict=True)))
        },
    )
