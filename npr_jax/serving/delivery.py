"""How a verdict holds up when the picture is sent on: re-saved and resized as platforms do."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from input_pipeline.images.degradations import scale
from input_pipeline.images.transforms import jpeg, webp
from npr_jax.detectors.calibration import GENERATED, PHOTOGRAPH, UNSURE
from npr_jax.inference.verdict import ImageScore
from npr_jax.serving import sentences
from npr_jax.serving.limits import Deadline
from npr_jax.serving.schema import DeliveryAnswer

# Pixels scored together: what fills one batch of the network on a CPU.
GROUP_PIXELS = 2 * 256 * 256
T = TypeVar("T")
NOT_REACHED = "not computed: the time for this picture was up"

JPEG_QUALITIES = (95, 90, 80, 70, 60, 50, 40)
WEBP_QUALITIES = (90, 80, 50)
FACTORS = (0.5, 0.75, 1.25, 1.5, 2.0)
_FILTER = Image.Resampling.BICUBIC  # what platforms and viewers mostly use


def delivery_point(
    family: str,
    strength: float,
    label: str,
    score: float | None = None,
    verdict: str = "",
    problem: str = "",
) -> DeliveryAnswer:
    """One way of sending the picture on, and what the detector says of what arrives.

    It counts where a flip makes the whole verdict unsure. Platforms re-save and make smaller. They
    do not enlarge, and an enlarged picture has been up-sampled, which is just what such detectors
    find: enlargements are shown, not counted.
    """
    way: dict[str, Any] = {"family": family, "strength": strength, "label": label}
    counts = family != "resize" or strength < 1
    return DeliveryAnswer(**way, score=score, verdict=verdict, counts=counts, problem=problem)


def points() -> tuple[DeliveryAnswer, ...]:
    """All that are tried, none computed, in the order in which they are shown."""
    return (
        *(delivery_point("jpeg", quality, f"JPEG {quality}") for quality in JPEG_QUALITIES),
        *(delivery_point("webp", quality, f"WebP {quality}") for quality in WEBP_QUALITIES),
        *(delivery_point("resize", f, f"resized to {100 * f:g} %") for f in FACTORS),
    )


def delivered(image: np.ndarray, point: DeliveryAnswer) -> np.ndarray:
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
) -> tuple[DeliveryAnswer, ...]:
    """Sends a picture through every delivery, as far as the time allows.

    Args:
        image: the file's own pixels, uint8 ``[h, w, 3]``.
        score: from files' own pixels to results, errors included.
        deadline: of the picture; points that it does not allow say so.
    """
    computed: dict[DeliveryAnswer, DeliveryAnswer] = {}
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
                computed[point] = point.model_copy(update={"problem": str(error)})
        for point, found in zip(arrived, score(list(arrived.values())), strict=True):
            said = {"score": found.score, "verdict": found.verdict, "problem": found.error}
            computed[point] = point.model_copy(update=said)
        per_pixel = (deadline.spent - before) / max(1, pixels)
    late = {"problem": NOT_REACHED}
    return tuple(computed.get(point) or point.model_copy(update=late) for point in points())


def not_scored(delivery: Sequence[DeliveryAnswer]) -> str:
    """Why not every delivery has a score, in words; empty where each has one."""
    late = sum(point.problem == NOT_REACHED for point in delivery)
    unusable: dict[str, list[str]] = {}
    for point in delivery:
        if point.problem not in ("", NOT_REACHED):
            unusable.setdefault(point.problem, []).append(point.label)
    return sentences.not_all(len(delivery), late, unusable)


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


def _in_turn(every: Sequence[DeliveryAnswer]) -> list[DeliveryAnswer]:
    """The most telling first, so that a short time still shows the whole curve.

    Of each family first the middle, then outwards; families take turns; enlargements last.
    """
    queues: dict[str, list[DeliveryAnswer]] = {}
    for point in every:
        if point.counts:
            queues.setdefault(point.family, []).append(point)
    for queue in queues.values():
        places = {point: place for place, point in enumerate(queue)}
        queue.sort(key=lambda point: abs(places[point] - len(places) // 2))
    turns = [point for turn in zip_longest(*queues.values()) for point in turn if point]
    return turns + [point for point in every if not point.counts]


def _pixels(image: np.ndarray, point: DeliveryAnswer) -> int:
    factor = point.strength if point.family == "resize" else 1.0
    return round(image.shape[0] * image.shape[1] * factor**2)


def held_up(verdict: str, delivery: Iterable[DeliveryAnswer]) -> tuple[str, str]:
    """The verdict that is shown, and in words how it holds up.

    A verdict that becomes its opposite under a delivery that counts (see ``delivery_point``) is
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
