"""From logits to probabilities that mean what they say, and to verdicts that are seldom wrong.

A calibration is a temperature and a bias (Platt, 1999; Guo et al., ICML 2017): the probability of
being generated is sigmoid(logit / temperature + bias). Around its middle lies a band of logits
for which no verdict is given (El-Yaniv and Wiener, JMLR 2010: selective classification); its limits
are quantiles of either class (Vovk et al., 2005: conformal prediction), so that they do not depend
on how frequent generated images are.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

GENERATED, PHOTOGRAPH, UNSURE = "generated", "photograph", "unsure"
_MAY_BE_NONE = ("generated_from", "photograph_to")
VERDICTS = (GENERATED, PHOTOGRAPH, UNSURE)


def probabilities(logits: npt.ArrayLike) -> np.ndarray:
    """Probability of being generated, float64, of any shape; no overflow at large logits."""
    half = np.tanh(np.asarray(logits, np.float64) / 2)
    return (1 + half) / 2


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What turns a detector's logits into probabilities and verdicts.

    Attributes:
        temperature: above 0; what logits are divided by.
        bias: added after that.
        target_error: share of photographs that may be called generated, and of generated images
            that may be called photograph, in (0, 1).
        generated_from: logit from which an image is called generated; None: never.
        photograph_to: logit up to which an image is called a photograph; None: never.
    """

    temperature: float
    bias: float
    target_error: float
    generated_from: float | None
    photograph_to: float | None

    def probabilities(self, logits: np.ndarray | float) -> np.ndarray:
        """Calibrated probability of being generated, float64, of any shape."""
        scaled = np.asarray(logits, np.float64) / self.temperature + self.bias
        return probabilities(scaled)

    def in_words(self) -> str:
        """What it is, for the line that says what scores are."""
        return (
            f"calibrated (temperature {self.temperature:.3g}, bias {self.bias:.3g}; limits set for "
            f"at most {100 * self.target_error:.3g} % of either class called the other)"
        )

    def verdict(self, logit: float) -> str:
        """One of ``VERDICTS``."""
        if self.generated_from is not None and logit >= self.generated_from:
            return GENERATED
        if self.photograph_to is not None and logit <= self.photograph_to:
            return PHOTOGRAPH
        return UNSURE


def to_json(calibration: Calibration) -> dict[str, Any]:
    """What ``from_json`` reads back."""
    return dataclasses.asdict(calibration)


def from_json(content: Mapping[str, Any]) -> Calibration:
    """The calibration of which ``to_json`` made this.

    ``KeyError`` where something is missing, ``ValueError`` where it is no number that it may be.
    """
    values = {field.name: content[field.name] for field in dataclasses.fields(Calibration)}
    for name, value in values.items():
        if value is None and name in _MAY_BE_NONE:
            continue
        if type(value) not in (int, float) or not math.isfinite(value):
            raise ValueError(f"{name} is {value!r}, which is no finite number")
    if not (values["temperature"] > 0 and 0 < values["target_error"] < 1):
        raise ValueError("its temperature is not above 0, or its target_error not from 0 to 1")
    return Calibration(**values)
