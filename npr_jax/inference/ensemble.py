"""Separately trained detectors as one: each sees an image its own way, their logits are averaged.

The mean logit is the logarithm of the geometric mean of the members' odds.
"""

import itertools
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np

from input_pipeline.errors import UserError
from npr_jax.detectors.calibration import Calibration
from npr_jax.inference.detector import Detector
from npr_jax.inference.file_detector import Path, names_of
from npr_jax.inference.verdict import ImageScore, score_of


class Ensemble:
    """What ``predict`` and ``evaluate`` need of a detector, from several.

    >>> detector = Ensemble.load(["runs/a", "runs/b", "runs/c"])
    >>> for result in detector.score(["photo.jpg"]):
    ...     print(result.path, result.score, result.verdict)
    """

    # The members' calibrations hold for the logits of each, not for their mean.
    calibration: Calibration | None = None
    calibration_in_words = "not calibrated (its members' calibrations hold for each alone)"
    step = None  # the members have one each

    def __init__(self, members: Sequence[Detector]):
        """At least two detectors, each with its own preprocessing."""
        if len(members) < 2:
            raise UserError(f"an ensemble of {len(members)} detectors; give at least two")
        self.members = tuple(members)
        self.source = "mean logit of " + ", ".join(member.source for member in members)
        ways = list(dict.fromkeys(member.preprocessing_in_words for member in members))
        own = "each member's own: " + "; ".join(ways)
        self.preprocessing_in_words = ways[0] if len(ways) == 1 else own
        # Where test images are, if nothing else is said.
        self.config = members[0].config

    @classmethod
    def load(
        cls,
        workdirs: Sequence[str | pathlib.Path],
        *,
        checkpoint: str = "best",
        resize: int | None = None,
    ) -> Self:
        """The detectors of several runs; see ``Detector.load``."""
        options: dict[str, Any] = {"checkpoint": checkpoint, "resize": resize, "calibrated": False}
        return cls([Detector.load(workdir, **options) for workdir in workdirs])

    def with_engine(self, engine: str) -> Self:
        """The same members, each with its scores from this program; see ``Detector``."""
        return type(self)([member.with_engine(engine) for member in self.members])

    @property
    def engine(self) -> str:
        """What runs the members' networks."""
        return "; ".join(dict.fromkeys(member.engine for member in self.members))

    @property
    def training_data(self) -> dict[str, Any]:
        """What the members' training data have in common, and the families that any has seen."""
        facts = [member.training_data for member in self.members]
        common = {key: v for key, v in facts[0].items() if all(f.get(key) == v for f in facts)}
        families: list[str] = []
        for fact in facts:
            seen = fact.get("train_family") or []
            families += [seen] if isinstance(seen, str) else seen
        return common | ({"train_family": sorted(set(families))} if families else {})

    def logits(self, images: np.ndarray | Iterable[np.ndarray]) -> np.ndarray:
        """Mean logits of pixels as they are, float32 ``[n]``; see ``Detector.logits``."""
        images = list(images)  # each member goes through all of them
        return np.mean([member.logits(images) for member in self.members], axis=0)

    def score(self, paths: Iterable[Path], *, confidence: float | None = None) -> list[ImageScore]:
        """Scores image files; one result for each path, in order; see ``Detector.score``."""
        return list(self.iter_scores(paths, confidence=confidence))

    def iter_scores(
        self, paths: Iterable[Path], *, confidence: float | None = None
    ) -> Iterator[ImageScore]:
        """As ``score``, each result as soon as it and those before it are known.

        A file that one member cannot score has no score, and that member's error.
        """
        # One holds what others have still to take: as much as their batches differ.
        copies = itertools.tee(names_of(paths), len(self.members))
        streams = [
            member.iter_scores(names, confidence=confidence)
            for member, names in zip(self.members, copies, strict=True)
        ]
        for results in zip(*streams, strict=True):
            errors = [result.error for result in results if result.error]
            if errors:
                yield ImageScore(results[0].path, None, "", errors[0])
                continue
            logits = [result.logit for result in results]
            yield score_of(results[0].path, float(np.mean(logits)), confidence)
