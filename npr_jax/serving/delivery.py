"""How a verdict holds up when the picture is sent on: re-saved and resized as platforms do."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import TypeVar

import numpy as np
from PIL import Image

from input_pipeline.images.degradations import scale
from input_pipeline.images.transforms import jpeg, webp
from npr_jax.detectors.calibration import GENERATED, PHOTOGRAPH, UNSURE
from npr_jax.inference.verdict import ImageScore
from npr_jax.serving import sentences
from npr_jax.serving.limits import Deadline

# Pixels scored together: what fills one batch of the network on a CPU.
GROUP_PIXELS = 2 * 256 * 256
T = TypeVar("T")
NOT_REACHED = "not computed: the time for this picture was up"

JPEG_QUALITIES = (95, 90, 80, 70, 60, 50, 40)
WEBP_QUALITIES = (90, 80, 50)
FACTORS = (0.5, 0.75, 1.25, 1.5, 2.0)
_FILTER = Image.Resampling.BICUBIC  # what platforms and viewers mostly use


@dataclasses.dataclass(frozen=True)
class DeliveryPoint:
    """One way of sending the picture on, and what the detector says of what arrives.

    Attributes:
        family: ``jpeg``, ``webp`` or ``resize``.
        strength: quality from 1 to 100, or the factor of either side.
        label: as ``JPEG 80`` or ``resized to 50 %``.
        score: of what arrives, in [0, 1]; None where it was not computed.
        verdict: of what arrives; empty where it was not computed.
        problem: why it was not computed.
    """

    family: str
    strength: float
    label: str
    score: float | None = None
    verdict: str = ""
    problem: str = ""

    @property
    def counts(self) -> bool:
        """Whether a flip here makes the whole verdict unsure.

        Platforms re-save and make smaller. They do not enlarge, and an enlarged picture has been
        up-sampled, which is just what such detectors find: enlargements are shown, not counted.
        """
        return self.family != "resize" or self.strength < 1


def points() -> tuple[DeliveryPoint, ...]:
    """All that are tried, none computed, in the order in which they are shown."""
    return (
        *(DeliveryPoint("jpeg", quality, f"JPEG {quality}") for quality in JPEG_QUALITIES),
        *(DeliveryPoint("webp", quality, f"WebP {quality}") for quality in WEBP_QUALITIES),
        *(DeliveryPoint("resize", f, f"resized to {100 * f:g} %") for f in FACTORS),
    )


def delivered(image: np.ndarray, point: DeliveryPoint) -> np.ndarray:
    """What arrives of uint8 ``[h, w, 3]``.

    Raises:
        ValueError: the image is too large for the file format.
    """
    if point.family == "resize":
        return scale(image, point.strength, _FILTER)
    return (jpeg if point.family == "jpeg" else webp)(image, int(point.strength))


def deliver(
    image: np.ndarray,
    score: Callable[[Sequence[np.ndarray]], Sequence[ImageScore]],
    deadline: Deadline,
) -> tuple[DeliveryPoint, ...]:
    """Sends a picture through every delivery, as far as the time allows.

    Args:
        image: the file's own pixels, uint8 ``[h, w, 3]``.
        score: from files' own pixels to results, errors included.
        deadline: of the picture; points that it does not allow say so.
    """
    computed: dict[DeliveryPoint, DeliveryPoint] = {}
    per_pixel = 0.0  # seconds, as the last group took
    # Points of one size share a batch, so they stay together; of a picture that fills batches by
    # itself each point is a group.
    for group in grouped(_in_turn(points()), lambda point: _pixels(image, point)):
        pixels = sum(_pixels(image, point) for point in group)
        if not deadline.allows(per_pixel * pixels):
            continue
        before, arrived = deadline.spent, {}
        for point in group:
            try:
                arrived[point] = delivered(image, point)
            except ValueError as error:
                computed[point] = dataclasses.replace(point, problem=str(error))
        for point, found in zip(arrived, score(list(arrived.values())), strict=True):
            computed[point] = dataclasses.replace(
                point, score=found.score, verdict=found.verdict, problem=found.error
            )
        per_pixel = (deadline.spent - before) / max(1, pixels)
    return tuple(
        computed.get(point) or dataclasses.replace(point, problem=NOT_REACHED) for point in points()
    )


def grouped(items: Iterable[T], pixels: Callable[[T], int], most: int = 2**31) -> Iterator[list[T]]:
    """Items in order, as many together as fill one batch of the network, at most `most`."""
    group: list[T] = []
    filled = 0
    for item in items:
        size = pixels(item)
        if group and (filled + size > GROUP_PIXELS or len(group) == most):
            yield group
            group, filled = [], 0
        group.append(item)
        filled += size
    if group:
        yield group


def _in_turn(every: Sequence[DeliveryPoint]) -> list[DeliveryPoint]:
    """The most telling first, so that a short time still shows the whole curve.

    Of each family first the middle, then outwards; families take turns; enlargements last.
    """
    queues: dict[str, list[DeliveryPoint]] = {}
    for point in every:
        if point.counts:
            queues.setdefault(point.family, []).append(point)
    for queue in queues.values():
        places = {point: place for place, point in enumerate(queue)}
        queue.sort(key=lambda point: abs(places[point] - len(places) // 2))
    turns = [point for turn in zip_longest(*queues.values()) for point in turn if point]
    return turns + [point for point in every if not point.counts]


def _pixels(image: np.ndarray, point: DeliveryPoint) -> int:
    factor = point.strength if point.family == "resize" else 1.0
    return round(image.shape[0] * image.shape[1] * factor**2)


def held_up(verdict: str, delivery: Iterable[DeliveryPoint]) -> tuple[str, str]:
    """The verdict that is shown, and in words how it holds up.

    A verdict that becomes its opposite under a delivery that counts (see ``DeliveryPoint``) is
    shown as unsure. One that merely becomes unsure, or turns only when the picture is enlarged,
    stays and that is said.
    """
    known = [point for point in delivery if point.score is not None]
    if not known:
        return verdict, ""
    if verdict == UNSURE:
        return verdict, sentences.unsure_anyway([p.label for p in known if p.verdict != UNSURE])
    opposite = PHOTOGRAPH if verdict == GENERATED else GENERATED
    flips = [point.label for point in known if point.verdict == opposite and point.counts]
    enlarged = [point.label for point in known if point.verdict == opposite and not point.counts]
    unsure = [point.label for point in known if point.verdict == UNSURE]
    if flips:
        return UNSURE, sentences.flips(verdict, opposite, flips)
    return verdict, sentences.holds(verdict, opposite, len(known), unsure, enlarged)
