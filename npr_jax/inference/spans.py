"""An axis of an image in overlapping parts, whose cores are all of it."""

import dataclasses

from input_pipeline.errors import UserError

MIN_SIDE = 32  # pixels; below, little is left of an image after the network's strides


@dataclasses.dataclass(frozen=True)
class Span:
    """A tile's share of one axis of ``length`` pixels.

    ``start:stop`` are its pixels; it contributes the feature positions that lie at pixels
    ``core_start:core_stop``, all counted in the whole image.
    """

    length: int
    start: int
    stop: int
    core_start: int
    core_stop: int


def spans_of(length: int, side: int, halo: int, step: int) -> list[Span]:
    """Parts of at most ``side`` pixels that overlap by a halo on each side of their cores.

    All but the last end, and all begin, at multiples of ``step``, where halo and side are such.
    ``UserError`` where a side is no wider than two halos.
    """
    if length <= side:
        return [Span(length, 0, length, 0, length)]
    core = (side - 2 * halo) // step * step
    if core <= 0:
        raise UserError(f"tiles of {side} pixels are too small for halos of {halo} on each side")
    spans = []
    for first in range(0, length, core):
        start = max(0, first - halo)
        last = min(first + core, length)
        spans.append(Span(length, start, min(start + side, length), first, last))
    return spans
