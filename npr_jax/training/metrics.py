"""What a training step reports, as clu metrics that merge over steps and devices."""

from collections.abc import Sequence

import flax
import numpy as np

# No postponed annotations here: clu reads the metric types from the class body.
from clu import metrics


@flax.struct.dataclass
class TrainMetrics(metrics.Collection):
    """Means over the examples of a window of steps; padding does not count.

    ``loss``: binary cross-entropy in nats. ``accuracy``: share classified right at
    probability 0.5, in [0, 1].
    """

    loss: metrics.Average.from_output("loss")  # type: ignore[valid-type]
    accuracy: metrics.Average.from_output("correct")  # type: ignore[valid-type]


def summarize(window: Sequence[TrainMetrics], last_step: int) -> dict[str, float]:
    """Means over a window's steps.

    Raises:
        FloatingPointError: a step's metric is not finite; names both.
    """
    for step, own in enumerate(window, start=last_step - len(window) + 1):
        for name, value in own.compute().items():
            if not np.isfinite(value):
                raise FloatingPointError(
                    f"train {name} is {value} at step {step}; no later step was saved: lower "
                    "--config.optimizer.learning_rate, or look at the data of that step"
                )
    total = window[0]
    for own in window[1:]:
        total = total.merge(own)
    return {name: float(value) for name, value in total.compute().items()}
