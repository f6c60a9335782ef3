"""Turning pictures upright, and back; orientations are EXIF's numbers 1 to 8 (2.32, tag 0x0112)."""

from collections.abc import Iterable
from typing import Any

import numpy as np

# From pixels as stored to pixels upright, of any [h, w, ...].
_TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}
_INVERSE = {6: 8, 8: 6}
# What they are called by whom a picture is shown to.
NAMES = {
    2: "mirrored",
    3: "turned by 180°",
    4: "mirrored and turned by 180°",
    5: "mirrored and turned by 90° to the left",
    6: "turned by 90° to the right",
    7: "mirrored and turned by 90° to the right",
    8: "turned by 90° to the left",
}


def upright(stored: np.ndarray, orientation: int) -> np.ndarray:
    """Returns an array [h, w, ...] as it is meant to be seen; an unknown orientation is none."""
    return _TURNS.get(orientation, _TURNS[1])(stored)


def as_stored(seen: np.ndarray, orientation: int) -> np.ndarray:
    """Undoes `upright`."""
    return upright(seen, _INVERSE.get(orientation, orientation))


def orientation_of(steps: Iterable[tuple[Any, ...]]) -> int:
    """The one number for a series of turns: ('irot', degrees to the left), ('imir', axis).

    ISO/IEC 23008-12, 6.5.10 and 6.5.12, as pillow-heif lists them: axis 1 exchanges left and right,
    0 top and bottom. Other properties, as crops, are passed over.
    """
    labels = np.arange(6).reshape(2, 3)
    turned = labels
    for kind, *values in steps:
        if kind == "irot":
            turned = np.rot90(turned, values[0] // 90)
        elif kind == "imir":
            turned = turned[:, ::-1] if values[0] else turned[::-1]
    return next(number for number in _TURNS if np.array_equal(upright(labels, number), turned))
