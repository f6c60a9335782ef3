"""How well a classifier tells two classes apart by a few numbers per image."""

import numpy as np

FOLDS = 5
MIN_PER_CLASS = 2 * FOLDS


def cross_validated_auc(features: np.ndarray, labels: np.ndarray, trees: int = 100) -> float | None:
    """AUC of a forest of randomised trees on rows that it was not grown on, 0.5 is chance.

    Args:
      features: float [n, d].
      labels: int [n], 0 or 1.
      trees: in the forest.

    Returns:
      None with fewer than `MIN_PER_CLASS` of either.
    """
    if min(np.count_nonzero(labels == label) for label in (0, 1)) < MIN_PER_CLASS:
        return None
    if (features == features[0]).all():
        return 0.5
    # Imported here: every reader of images would wait for it otherwise.
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    forest = ExtraTreesClassifier(trees, min_samples_leaf=2, random_state=0)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    shares = cross_val_predict(forest, features, labels, cv=folds, method="predict_proba")
    return float(roc_auc_score(labels, shares[:, 1]))
