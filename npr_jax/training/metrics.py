"""What a training step reports, as clu metrics that merge over steps and devices."""

import flax

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
