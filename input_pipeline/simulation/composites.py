"""Photographs into which a region of their own generated version was pasted, to test heat maps.

Both pictures show the same scene, so the region has no edge and no content of its own; what tells
it apart is what the decoder did to it. Its corners lie on multiples of `decoders.MULTIPLE` pixels.

The decoder's up-sampling grid counts from the picture's corner, as in the images of training. With
a `shift` the decoder sees the scene moved by so many pixels and its output is moved back: the grid
of the region then lies out of step with the picture's, as after a paste at any other place.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.simulation import camera, dataset, decoders

FIRST_SCENE = 900_000_000  # scenes from here on are in no split of the simulated data set
_REGION_STREAM = 16
_BATCH = 16


@dataclasses.dataclass(frozen=True)
class Composites:
    """Pictures and what of them was generated."""

    images: np.ndarray  # uint8 [n, size, size, 3]
    masks: np.ndarray  # bool [n, size, size], true where generated


def make_composites(
    families: Sequence[str], *, count: int, size: int, seed: int, shifts: Sequence[int] = (0,)
) -> Iterator[tuple[str, int, Composites]]:
    """Composites of each family and shift, all of the same scenes and regions.

    Args:
        families: names in `dataset.FAMILIES`.
        count: composites of each.
        size: height and width in pixels, a multiple of 8 from 64 to 512.
        seed: of scenes, cameras, noise and regions.
        shifts: pixels, 0 to `camera.MARGIN` each, see above.

    Returns:
        An iterator of family, shift and composites.

    Raises:
        UserError: at once, for a setting that is not allowed.
    """
    unknown = [family for family in families if family not in dataset.FAMILIES]
    if unknown or not families:
        raise UserError(
            f"the families are {', '.join(families) or 'none'}; allowed are "
            f"{', '.join(dataset.FAMILIES)}."
        )
    if count < 1:
        raise UserError(f"the number of composites is {count}; it must be at least 1.")
    if size % decoders.MULTIPLE or not 64 <= size <= 512:
        raise UserError(
            f"composites of {size} pixels; allowed are multiples of {decoders.MULTIPLE} from 64 to "
            "512."
        )
    if not all(0 <= shift <= camera.MARGIN for shift in shifts):
        raise UserError(f"shifts are {shifts}; allowed is 0 to {camera.MARGIN} pixels.")
    return _made(families, count, size, seed, shifts)


def _made(
    families: Sequence[str], count: int, size: int, seed: int, shifts: Sequence[int]
) -> Iterator[tuple[str, int, Composites]]:
    indices = tuple(range(FIRST_SCENE, FIRST_SCENE + count))
    takes = (0, *(1 + dataset.FAMILIES.index(family) for family in families))
    clean, noise = camera.shoot(seed, indices, size, takes)
    photographs = camera.quantise(camera.inner(clean) + noise[:, 0])
    masks = np.zeros((count, size, size), bool)
    for number in range(count):
        masks[number][region_of(seed, number, size)] = True
    batches = [slice(start, start + _BATCH) for start in range(0, count, _BATCH)]
    for column, family in enumerate(families, start=1):
        for shift in shifts:
            # What wraps around ends in the last rows and columns, where no region reaches.
            x, added = (np.roll(x, (shift, shift), (1, 2)) for x in (clean, noise[:, column]))
            parts = [dataset.generate(family, x[b], added[b], seed, indices[b]) for b in batches]
            made = np.roll(np.concatenate(parts), (-shift, -shift), (1, 2))
            yield family, shift, Composites(np.where(masks[..., None], made, photographs), masks)


def region_of(seed: int, number: int, size: int) -> tuple[slice, slice]:
    """The square of composite `number`, a quarter to half the picture's width, off its border."""
    rng = np.random.default_rng([seed, number, _REGION_STREAM])
    unit = decoders.MULTIPLE
    side = int(rng.integers(size // 4 // unit, size // 2 // unit + 1)) * unit
    corner = rng.integers(1, (size - side) // unit, 2) * unit
    top, left = (int(place) for place in corner)
    return slice(top, top + side), slice(left, left + side)
