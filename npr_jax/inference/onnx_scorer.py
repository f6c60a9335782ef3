"""Scores images one by one with ONNX Runtime on the CPU; imports no JAX.

Images are neither padded nor batched, so that no score can depend on company: ONNX Runtime takes
any size without compiling, and one picture at a time keeps its caches.
"""

import os
from collections.abc import Iterable, Iterator

import numpy as np

from input_pipeline.cores import available_cores
from input_pipeline.errors import UserError
from input_pipeline.images.preprocessing import check_size
from input_pipeline.images.transforms import cut_to_multiple
from npr_jax.inference.onnx_runtime import onnx_runtime
from npr_jax.inference.spans import MIN_SIDE, Span, spans_of
from npr_jax.inference.verdict import Scored
from npr_jax.models.onnx.network_facts import PROPERTY, NetworkFacts, is_whole

# Pixels, height and width, above which an image is cut into tiles.
TILE = (512, 2048)


class OnnxScorer:
    """A network of ``npr_jax.models.onnx.network_file``, loaded once."""

    def __init__(self, content: bytes, tile: tuple[int, int] | None = None):
        """``tile``: the largest height and width that are scored in one piece; None: ``TILE``.

        ``UserError`` for content that is damaged, of another version, or that the ONNX Runtime
        here cannot load.
        """
        if not is_whole(content):
            raise UserError("its checksum is another: the file is damaged")
        onnxruntime = onnx_runtime()
        self.name = f"onnxruntime {onnxruntime.__version__}"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = _threads()
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its own have no class in common
            raise UserError(f"{self.name} cannot load it: {str(error).splitlines()[0]}") from error
        facts = self._session.get_modelmeta().custom_metadata_map
        self.facts = NetworkFacts.from_json(facts[PROPERTY])
        self._tile = tile or TILE

    @property
    def min_side(self) -> int:
        """Pixels that an image must have, at least, on either side."""
        return -(-MIN_SIDE // self.facts.period) * self.facts.period

    def score(self, images: Iterable[np.ndarray]) -> Iterator[Scored]:
        """Scores images as they come, in order; see ``Scorer.score``."""
        return (scored for scored in self.score_sparse(images) if scored is not None)

    def score_sparse(self, images: Iterable[np.ndarray | None]) -> Iterator[Scored | None]:
        """As ``score``, of images among which some are missing; see ``Scorer.score_sparse``."""
        position = 0
        for image in images:
            if image is not None:
                logit, weights = self._score_one(image)
                yield Scored(position, logit, weights)
                position += 1
            yield None

    def score_all(self, images: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
        """Logits float32 ``[n]`` and weights float32 ``[n, scales]`` or None, in order."""
        scored = list(self.score(images))
        weights = [s.weights for s in scored if s.weights is not None]
        return np.array([s.logit for s in scored], np.float32), np.stack(
            weights
        ) if weights else None

    def tiles(self, image: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
        """The network's inputs for an image, tile by tile.

        ``before`` of each but the first is to be filled with the ``sums`` of the one before it.
        """
        image = self._on_grid(image)
        height, width = image.shape[:2]
        inputs = {
            "before": np.zeros((1, self.facts.features), np.float32),
            "positions": np.array(self.facts.positions(height, width), np.float32),
        }
        for rows in self._spans(height, 0):
            for columns in self._spans(width, 1):
                yield inputs | self._part(image, rows, columns)

    def _score_one(self, image: np.ndarray) -> tuple[float, np.ndarray | None]:
        tiles = self.tiles(image)
        tile = next(tiles)
        for following in tiles:
            [following["before"]] = self._session.run(["sums"], tile)
            tile = following
        names = ["logits", "weights"] if self.facts.scales else ["logits"]
        logits, *weights = self._session.run(names, tile)
        return float(logits[0]), weights[0][0] if weights else None

    def _spans(self, length: int, axis: int) -> list[Span]:
        step = self.facts.step
        halo = -(-self.facts.halo // step) * step
        # No smaller than four halos, or more than half of a tile would be computed twice.
        return spans_of(length, max(self._tile[axis] // step * step, 4 * halo), halo, step)

    def _part(self, image: np.ndarray, rows: Span, columns: Span) -> dict[str, np.ndarray]:
        part = image[rows.start : rows.stop, columns.start : columns.stop]
        stride = self.facts.stride
        ends = [(s.core_start - s.start, s.core_stop - s.start) for s in (rows, columns)]
        (top, bottom), (left, right) = (
            (first // stride, -(-last // stride)) for first, last in ends
        )
        core = np.array([top, left, bottom, right], np.int64)
        return {"images": np.ascontiguousarray(part)[None], "core": core}

    def _on_grid(self, image: np.ndarray) -> np.ndarray:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise UserError(
                f"image is {image.dtype} {list(image.shape)}; expected uint8 [height, width, 3]"
            )
        check_size(image.shape, self.min_side)
        return cut_to_multiple(image, self.facts.period)


def _threads() -> int:
    """A thread for each core that this process may use: by itself ONNX Runtime would count all of
    the machine's. No more than OMP_NUM_THREADS, with which Ray tells a worker its share.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    cores = available_cores()
    return min(cores, max(1, int(asked))) if asked.isdecimal() else cores
