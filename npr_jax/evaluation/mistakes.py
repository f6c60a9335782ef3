"""Which images a detector is most wrong about."""

import numpy as np
from PIL import Image

from npr_jax.evaluation.tables import Scores, is_control

PER_KIND = 6  # images of each generator, and of each source of photographs
MOST = 120  # images in all
SIDE = 192  # pixels of the longer side of what is kept of an image to look at


def most_confident(scores: Scores, per_kind: int = PER_KIND, most: int = MOST) -> list[int]:
    """Rows of the most confident mistakes, photographs first, then generators by name.

    At most ``per_kind`` of each generator and class, the most confident first; where that is more
    than ``most`` in all, kinds give up their least confident ones. Controls, made without
    up-sampling, are left out: calling one a photograph is no mistake of a detector of up-sampling.
    """
    wrong = (scores.logits > 0) != (scores.labels == 1)
    kinds: dict[tuple[int, str], list[int]] = {}
    for row in np.flatnonzero(wrong):
        name = str(scores.generators[row])
        if not is_control(name):
            kinds.setdefault((int(scores.labels[row]), name), []).append(int(row))
    ranked = []
    for kind in sorted(kinds):
        rows = sorted(kinds[kind], key=lambda row: -abs(float(scores.logits[row])))
        ranked.append(rows[:per_kind])
    while sum(map(len, ranked)) > most:
        max(ranked, key=len).pop()
    return [row for rows in ranked for row in rows]


def reduced(image: np.ndarray) -> np.ndarray:
    """A copy to look at, uint8 ``[h, w, 3]`` of at most ``SIDE`` pixels; smaller ones as they are.

    Its pixels are no evidence: they were interpolated.
    """
    small = Image.fromarray(image)
    small.thumbnail((SIDE, SIDE))
    return np.asarray(small)
