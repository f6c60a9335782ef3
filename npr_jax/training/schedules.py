"""The learning rate's schedules: shares of the configured rate, by step or by validation.

``step`` and ``cosine`` are functions of the step, inside the optimizer. ``plateau`` depends on
what validation finds, so the training loop changes the rate in the train state between epochs.
"""

import dataclasses

import jax.numpy as jnp
import optax
from ml_collections import ConfigDict


def share_of_rate(config: ConfigDict, steps_per_epoch: int, num_epochs: int) -> optax.Schedule:
    """What the learning rate is multiplied with at each step (0-based); 1 for plateaus.

    ``config`` is the ``optimizer`` section; the cosine ends with the last epoch.
    """
    if config.schedule == "step":
        return decay_in_steps(config.decay_rate, config.decay_every_epochs, steps_per_epoch)
    if config.schedule == "cosine":
        warmup = config.warmup_epochs * steps_per_epoch
        return warm_up_and_cosine(warmup, num_epochs * steps_per_epoch)
    return optax.constant_schedule(1.0)


def decay_in_steps(rate: float, every_epochs: int, steps_per_epoch: int) -> optax.Schedule:
    """Constant within an epoch, decayed at the *end* of every N-th.

    The share of epoch e (0-based) is ``rate ** max(0, (e - 1) // N)``: epochs 0 to N run at the
    full rate. Source: the published training code's ``adjust_learning_rate`` (Tan et al., CVPR
    2024, as noted from its recipe).
    """

    def share(step):
        epoch = step // steps_per_epoch
        return rate ** jnp.maximum(0, (epoch - 1) // every_epochs)

    return share


def warm_up_and_cosine(warmup_steps: float, num_steps: int) -> optax.Schedule:
    """A line from 0 to 1, then half a cosine from 1 to 0 (Loshchilov and Hutter, ICLR 2017).

    Step 0 of a warm-up has the share 0: the first step moves no weight. The rate changes with
    every step, not every epoch.
    """

    def share(step):
        step = jnp.asarray(step, jnp.float32)
        progress = (step - warmup_steps) / max(num_steps - warmup_steps, 1)
        cosine = 0.5 * (1.0 + jnp.cos(jnp.pi * progress.clip(0.0, 1.0)))
        return jnp.where(step < warmup_steps, step / max(warmup_steps, 1), cosine)

    return share


@dataclasses.dataclass
class Plateau:
    """How far the rate has come down, by the accuracy on the validation images.

    Source: Wang et al., CVPR 2020 (CNNDetection), section 3.2: the rate drops by 10 where
    accuracy has not increased by 0.1 % for 5 epochs, and training ends at 1e-6. The epochs are
    counted anew after a drop; the best accuracy is kept.

    Attributes:
        best_accuracy: the last one that counted as an increase.
        stalled_epochs: since then, or since the last drop.
        drops: so many times the rate has been multiplied with the factor.
    """

    best_accuracy: float = -1.0
    stalled_epochs: int = 0
    drops: int = 0

    def update(self, accuracy: float, *, patience: int, improvement: float) -> bool:
        """Takes in one epoch; true if the rate drops now."""
        # Rounding must not decide whether 0.981 is 0.001 more than 0.98.
        if accuracy >= self.best_accuracy + improvement * (1 - 1e-9):
            self.best_accuracy, self.stalled_epochs = accuracy, 0
            return False
        self.stalled_epochs += 1
        if self.stalled_epochs < patience:
            return False
        self.stalled_epochs = 0
        self.drops += 1
        return True

    def share(self, factor: float) -> float:
        """What the configured rate is multiplied with now."""
        return factor**self.drops
