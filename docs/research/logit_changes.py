"""By how much something done to pictures changes a detector's logits, picture by picture.

The unit is the standard deviation of the logit over pictures before the change, as in
``npr_jax.evaluation.logit_shift``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from input_pipeline.prepare.folders import ImageFile
from npr_jax.evaluation.provenance import provenance
from npr_jax.inference.detector import Detector

MOST = 0.1  # of the unit: what a change may do to a logit and still count as none
FACTS = ("filename", "source", "label", "detector", "commit", "date", "machine")
_MADE = FACTS[-3:]


def facts_of(files: Sequence[ImageFile], detector: Detector) -> list[dict[str, str]]:
    """``FACTS`` of each picture: what it is, who scores it, and with which code, when and where."""
    made = provenance()
    told = {"detector": detector.title} | {name: str(made[name] or "") for name in _MADE}
    return [
        {"filename": file.filename, "source": file.generator, "label": str(file.label)} | told
        for file in files
    ]


def told_by(rows: Sequence[Mapping[str, str]]) -> str:
    """By whom rows with ``FACTS`` were scored, with which code, when and where."""
    title = " and ".join(sorted({row["detector"] for row in rows}))
    return f"{title}, {made_with(rows)}"


def made_with(rows: Sequence[Mapping[str, str]]) -> str:
    """With which code, when and where rows with ``FACTS`` were scored."""
    commit, date, machine = (" and ".join(sorted({row[name] for row in rows})) for name in _MADE)
    return f"commit {commit}, {date}, {machine}"


@dataclasses.dataclass(frozen=True)
class Change:
    """Of some pictures' logits.

    Attributes:
        values: float ``[n]``, above 0 towards generated, in units of the module.
    """

    values: np.ndarray

    @property
    def mean(self) -> float:
        """Over pictures."""
        return float(self.values.mean())

    @property
    def error(self) -> float:
        """Half of the mean's 95 % interval over pictures, by the normal distribution."""
        return float(1.96 * self.values.std(ddof=1) / np.sqrt(len(self.values)))

    @property
    def root_mean_square(self) -> float:
        """Of single pictures."""
        return float(np.sqrt(np.square(self.values).mean()))

    @property
    def beyond(self) -> np.ndarray:
        """Of each picture, bool ``[n]``, whether it moves by more than ``MOST``."""
        return np.abs(self.values) > MOST

    @property
    def largest(self) -> float:
        """Of any picture, in either direction."""
        return float(np.abs(self.values).max())


def change(before: np.ndarray, after: np.ndarray, spread: float) -> Change:
    """From logits to logits, float ``[n]``; ``spread``: the unit."""
    return Change((after - before) / spread)


def signed_hundredths(value: float) -> str:
    """ "+0.08", "−0.12", "0.00"."""
    text = f"{value:+.2f}".replace("-", "−")
    return "0.00" if text in ("+0.00", "−0.00") else text
