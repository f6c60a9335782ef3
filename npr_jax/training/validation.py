"""Scoring the validation images during training, and remembering the best epoch."""

import dataclasses
import sys
from collections.abc import Iterable

import jax
import numpy as np
from sklearn import metrics

from input_pipeline.errors import UserError
from npr_jax.inference.scorer import Scorer
from npr_jax.training.embeddings import Embedded, labelled
from npr_jax.training.processes import gather_rows


@dataclasses.dataclass
class Progress:
    """What validation has seen so far; saved with every checkpoint."""

    best_ap: float = -1.0
    best_loss: float = sys.float_info.max
    best_step: int = 0
    epochs_without_improvement: int = 0

    def update(self, ap: float, loss: float, step: int, *, last_is_best: bool = False) -> bool:
        """Takes in one epoch; true if it is the best so far.

        Where AP is equal, as it soon is at 1 on few validation images, the lower loss is
        better. Early stopping goes by AP alone: a loss can fall for ever. ``last_is_best``: AP does
        not decide, every epoch is better than the one before.
        """
        self.epochs_without_improvement = (
            0 if ap > self.best_ap else self.epochs_without_improvement + 1
        )
        if not last_is_best and (ap, -loss) <= (self.best_ap, -self.best_loss):
            return False
        self.best_ap, self.best_loss, self.best_step = ap, loss, step
        return True

    def stopped_early(self, patience: int) -> bool:
        """Whether ``patience`` epochs (0: any number) passed without improvement."""
        return bool(patience) and self.epochs_without_improvement >= patience


def validate(scorer: Scorer, images: Iterable[dict]) -> dict[str, float]:
    """Loss (nats), accuracy at 0.5, AP and AUC over the validation images of all processes.

    Raises:
        ValueError: unless both classes are present.
    """
    labels: list[int] = []
    logits, _ = scorer.score_all(labelled(images, labels))
    return _measures(np.array(labels, np.int32), logits)


def validate_embedded(scorer: Scorer, images: Embedded) -> dict[str, float]:
    """As ``validate``, of images whose features are known."""
    own = slice(jax.process_index(), None, jax.process_count())
    return _measures(images.labels[own], scorer.score_features([images.features[own]]))


def _measures(labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    labels, logits = gather_rows(labels), gather_rows(logits)
    if len(found := set(labels.tolist())) != 2:
        raise UserError(
            f"the validation images have labels {sorted(found)} only; "
            "expected photographs (0) and generated images (1)"
        )
    signs = 1 - 2 * labels
    return {
        "loss": float(np.logaddexp(0, signs * logits.astype(np.float64)).mean()),
        "accuracy": float(((logits > 0) == (labels == 1)).mean()),
        "ap": float(metrics.average_precision_score(labels, logits)),
        "auc": float(metrics.roc_auc_score(labels, logits)),
    }
