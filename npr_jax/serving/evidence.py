"""Pictures of what the detector looked at, small enough to be sent, in bounded memory.

A server sees pictures of ever new sizes. Residuals and maps are therefore computed in batches of
few shapes (see ``npr_jax.inference.tiling``), for each of which there is one compiled program.
"""

import dataclasses
from collections.abc import Iterable, Iterator

import jax
import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.images.orientation import upright
from npr_jax.inference import evidence_images, tiling
from npr_jax.inference.detector import Detector
from npr_jax.inference.heat_map import HeatMap, heat_map, occlusion, occlusion_step
from npr_jax.serving.limits import Deadline

LONGEST_SIDE = 1600  # pixels of a picture that is sent
MAP_COST = 2.0  # of a heat map from positions, in times of scoring the picture
NO_TIME = "there was no time for it"


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What is shown of one picture.

    Attributes:
        step: of the picture's pixels every so many-th along either axis is shown.
        image: uint8 ``[h, w, 3]``, the pixels as scored, every ``step``-th, turned upright.
        residuals: (scale, picture of it), of the same size, turned likewise.
        heat_map: of all pixels, its values turned likewise; None where there is none.
        overlay: it over the image, of the same size.
        problem: why there is no heat map; empty where there is.
    """

    step: int
    image: np.ndarray
    residuals: tuple[tuple[str, np.ndarray], ...]
    heat_map: HeatMap | None
    overlay: np.ndarray | None
    problem: str


class EvidenceMaker:
    """Makes the pictures of one detector."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._places: dict[str, int] = {}  # of each residual's front end
        for place, front_end in enumerate(detector.model.front_ends):
            if evidence_images.residuals([front_end]):
                # Branches of one scale see the same: one picture of it will do.
                self._places.setdefault(front_end.name, place)
        self._views = jax.jit(self._placed_views)

    def make(
        self, image: np.ndarray, deadline: Deadline, *, score_seconds: float, orientation: int = 1
    ) -> Evidence:
        """The evidence of uint8 ``[h, w, 3]``, pixels as scored; what is shown stands upright.

        No heat map is begun that would not be done by the deadline, guessed from the seconds that
        scoring the picture took.
        """
        step = step_for(*image.shape[:2])
        found, problem = self._heat_map(image, deadline, score_seconds)
        shown = image[::step, ::step]
        residuals = self._residuals(image, step).items()
        laid_over = None
        if found is not None:
            laid_over = upright(evidence_images.overlay(shown, found.reduced(step)), orientation)
            values = upright(found.values, orientation)
            found = dataclasses.replace(found, values=values)
        return Evidence(
            step=step,
            image=upright(shown, orientation),
            residuals=tuple((scale, upright(pixels, orientation)) for scale, pixels in residuals),
            heat_map=found,
            overlay=laid_over,
            problem=problem,
        )

    def _heat_map(
        self, image: np.ndarray, deadline: Deadline, score_seconds: float
    ) -> tuple[HeatMap | None, str]:
        try:
            if not hasattr(self._detector.model, "position_logits"):
                return self._by_covering(image, deadline), ""
            if not deadline.allows(MAP_COST * score_seconds):
                return None, NO_TIME
            return heat_map(self._detector, image), ""
        except ValueError as error:
            return None, str(error)

    def _by_covering(self, image: np.ndarray, deadline: Deadline) -> HeatMap:
        """As ``heat_map`` by occlusion, given up where the time is up."""

        def allowed(pictures: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
            for picture in pictures:
                if not deadline.allows():
                    raise UserError(NO_TIME)
                yield picture

        def logits(pictures: Iterable[np.ndarray]) -> np.ndarray:
            return self._detector.logits(allowed(pictures))

        step = occlusion_step(*image.shape[:2])
        return HeatMap(occlusion(logits, image, step), step, (step - 1) / 2, "occlusion")

    def _residuals(self, image: np.ndarray, step: int) -> dict[str, np.ndarray]:
        """By scale, every ``step``-th pixel of the whole image's ``residual_pixels``."""
        model = self._detector.model
        height, width = image.shape[:2]
        pictures = {
            name: np.zeros((-(-height // step), -(-width // step), 3), np.uint8)
            for name in self._places
        }
        for tile in tiling.plan(height, width, model) if pictures else []:
            batch, placement = tiling.batch_of([(image, tile)], 1, model)
            if placement is None:  # a system that sees images whole, and here does too
                return {
                    name: evidence_images.residual_pixels(image, model.front_ends[i])[
                        ::step, ::step
                    ]
                    for name, i in self._places.items()
                }
            views = self._views(batch, placement.rows, placement.columns)
            (rows, own_rows), (columns, own_columns) = (
                _shown(span, step) for span in (tile.rows, tile.columns)
            )
            for name, values in jax.device_get(views).items():
                part = values[0, own_rows, own_columns]
                pictures[name][rows, columns] = evidence_images.shown_residual(part)
        return pictures

    def _placed_views(
        self, images: jax.Array, rows: tuple[jax.Array, ...], columns: tuple[jax.Array, ...]
    ) -> dict[str, jax.Array]:
        front_ends = self._detector.model.front_ends
        return {
            name: evidence_images.unscaled(front_ends[i]).placed(images, rows[i], columns[i])
            for name, i in self._places.items()
        }


def step_for(height: int, width: int) -> int:
    """Of so large a picture every so many-th pixel is shown.

    An odd number: residuals have blocks of an even size, in which one pixel is always zero.
    """
    step = -(-max(height, width) // LONGEST_SIDE)
    return step + (step % 2 == 0)


def _shown(span: tiling.Span, step: int) -> tuple[slice, slice]:
    """The shown pixels that a tile contributes along an axis: in the picture, and in the tile."""
    first = -(-span.core_start // step)
    last = -(-span.core_stop // step)
    return slice(first, last), slice(first * step - span.start, span.core_stop - span.start, step)
