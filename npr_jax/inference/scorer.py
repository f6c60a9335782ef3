"""Scores a stream of images of any sizes; each score is as if the image were alone."""

import collections
import copy
import dataclasses
import logging
import time
from collections.abc import Iterable, Iterator
from typing import Self

import jax
import numpy as np
from flax import nnx

from input_pipeline.errors import UserError
from input_pipeline.images.preprocessing import check_size
from input_pipeline.images.transforms import cut_to_multiple
from npr_jax.inference import tiling
from npr_jax.inference.verdict import Scored
from npr_jax.models.base import (
    Frozen,
    Model,
    Placement,
    Prediction,
    evaluation_copy,
    feature_sums,
    period,
)
from npr_jax.models.sharding import data_mesh, replicated, split_rows

_LOG = logging.getLogger(__name__)

# Pixels of one batch: enough to keep two cores busy, or a GPU, without filling the memory. Larger
# ones are no faster on a CPU, and a single picture waits for the whole of its batch.
BATCH_PIXELS = {"cpu": 2 * 256 * 256}
ACCELERATOR_BATCH_PIXELS = 128 * 256 * 256
# Batch shapes that wait for their batch to fill, and programs that are kept. Only networks that see
# images whole have more: every size of image is a shape of its own.
MOST_WAITING = 16
MOST_PROGRAMS = 32
MANY_SIZES = 4  # compiled programs of such a network after which the user is told
HEAD_ROWS = 64  # images whose mean features are turned into logits together
IN_FLIGHT = 2  # batches computing while the next one is laid out
# Images, or batches' worth of them where that is more, after which a batch goes as it is: results
# come in the images' order, and none waits for another image of a rare size.
MOST_BEHIND = 64
BATCHES_BEHIND = 4
LONGEST_WAIT = 2.0  # seconds that an image's features wait for others before the head


@dataclasses.dataclass
class _Partial:
    """The feature sums of an image some of whose tiles are still to come."""

    tiles_left: int
    counts: list[int]  # positions that each sum is over, of all tiles
    sums: list[np.ndarray] = dataclasses.field(default_factory=list)

    def add(self, sums: list[np.ndarray]) -> bool:
        """Adds one tile's sums; true when that was the last."""
        # float64: a large photograph adds up hundreds of tiles.
        sums = [s.astype(np.float64) for s in sums]
        if self.sums:
            sums = [a + b for a, b in zip(self.sums, sums, strict=True)]
        self.sums = sums
        self.tiles_left -= 1
        return self.tiles_left == 0


class Scorer:
    """A model compiled once per batch shape, on this process's own devices."""

    def __init__(self, model: Model, shapes: tuple[tuple[int, int], ...] = tiling.SHAPES):
        """``shapes``: (height, width) of the padded batches, the largest last. The model stays as
        it is."""
        self._shapes = shapes
        self._mesh = data_mesh(jax.local_devices())
        model = evaluation_copy(model)
        self._period = period(model)
        self._graphdef, params, batch_stats, frozen = nnx.split(
            model, nnx.Param, nnx.BatchStat, Frozen
        )
        self._sums = jax.jit(self._tile_sums)
        self._programs: set[tuple[int, int]] = set()
        self._head = jax.jit(self._logits)
        self._frozen = jax.device_put(frozen, replicated(self._mesh))
        self._set_variables(params, batch_stats)

    def with_variables(self, params: nnx.State, batch_stats: nnx.State) -> Self:
        """A scorer of these parameters that shares this one's compiled programs."""
        other = copy.copy(self)
        other._set_variables(params, batch_stats)
        return other

    def _set_variables(self, params: nnx.State, batch_stats: nnx.State) -> None:
        # Through this process's copy: a scorer works alone, also where processes train together.
        local = jax.tree.map(
            lambda x: np.asarray(x.addressable_data(0)) if isinstance(x, jax.Array) else x,
            (params, batch_stats),
        )
        self._model = evaluation_copy(nnx.merge(self._graphdef, *local, self._frozen))
        self._variables = (*jax.device_put(local, replicated(self._mesh)), self._frozen)

    def score(self, images: Iterable[np.ndarray]) -> Iterator[Scored]:
        """Scores images as they come; results come out of order and each exactly once.

        Images are uint8 ``[h, w, 3]`` each, RGB, any mix of sizes from 32 pixels; ``UserError`` for
        others. Of each, what is scored has sides that are multiples of the model's ``period``.
        """
        return (scored for scored in self.score_sparse(images) if scored is not None)

    def score_sparse(self, images: Iterable[np.ndarray | None]) -> Iterator[Scored | None]:
        """As ``score``, of images among which some are missing; positions count the others.

        Whenever an image is taken, or a None instead of one, a None follows the results that are
        known by then: nobody waits for results while there are no images.
        """
        finished: list[tuple[int, list[np.ndarray]]] = []
        since = 0.0
        for features in self._features(images):
            if features is not None:
                since = since if finished else time.monotonic()
                finished.append(features)
            waited = time.monotonic() - since > LONGEST_WAIT
            if len(finished) == HEAD_ROWS or (finished and waited):
                yield from self._finish(finished)
                finished = []
            if features is None:
                yield None
        if finished:
            yield from self._finish(finished)

    def score_features(self, features: list[np.ndarray]) -> np.ndarray:
        """Logits float32 ``[n]`` of images whose features, float32 ``[n, d]`` each, are known."""
        logits = np.empty(len(features[0]), np.float32)
        for first in range(0, len(logits), HEAD_ROWS):
            places = range(first, min(first + HEAD_ROWS, len(logits)))
            for scored in self._finish([(place, [f[place] for f in features]) for place in places]):
                logits[scored.position] = scored.logit
        return logits

    def features(self, images: Iterable[np.ndarray]) -> Iterator[tuple[int, list[np.ndarray]]]:
        """What the head sees of each image: its position and, of each map, the mean ``[d]``.

        Images, order and errors are as of ``score``.
        """
        return (features for features in self._features(images) if features is not None)

    def _features(
        self, images: Iterable[np.ndarray | None]
    ) -> Iterator[tuple[int, list[np.ndarray]] | None]:
        waiting: dict[tuple[int, int], list] = collections.defaultdict(list)
        begun: dict[tuple[int, int], int] = {}  # when, by what was taken, in the order of `waiting`
        flight: collections.deque = collections.deque()
        partial: dict[int, _Partial] = {}
        position = -1
        for taken, image in enumerate(images):
            if image is not None:
                position += 1
                image = self._on_grid(image)
                height, width = image.shape[:2]
                tiles = tiling.plan(height, width, self._model, self._shapes)
                counts = tiling.feature_counts(height, width, self._model)
                partial[position] = _Partial(len(tiles), counts)
                for tile in tiles:
                    if tile.shape not in waiting:
                        if len(waiting) == MOST_WAITING:
                            flight.append(self._launch(waiting.pop(next(iter(waiting)))))
                        begun[tile.shape] = taken
                    waiting[tile.shape].append((position, image, tile))
                    if len(waiting[tile.shape]) == self._rows(tile.shape):
                        flight.append(self._launch(waiting.pop(tile.shape)))
                    while len(flight) > IN_FLIGHT:
                        yield from _land(flight.popleft(), partial)
            if waiting and taken - begun[oldest := next(iter(waiting))] >= self._behind(oldest):
                flight.append(self._launch(waiting.pop(oldest)))
            while flight and (len(flight) > IN_FLIGHT or _is_ready(flight[0])):
                yield from _land(flight.popleft(), partial)
            yield None
        flight.extend(map(self._launch, waiting.values()))
        for batch in flight:
            yield from _land(batch, partial)

    def score_all(self, images: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
        """Logits float32 ``[n]`` and weights float32 ``[n, scales]`` or None, in order."""
        scored = sorted(self.score(images), key=lambda s: s.position)
        logits = np.array([s.logit for s in scored], np.float32)
        weights = [s.weights for s in scored if s.weights is not None]
        return logits, np.stack(weights) if weights else None

    def _on_grid(self, image: np.ndarray) -> np.ndarray:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise UserError(
                f"image is {image.dtype} {list(image.shape)}; expected uint8 [height, width, 3]"
            )
        check_size(image.shape, tiling.shortest_side(self._model))
        return cut_to_multiple(image, self._period)

    def _rows(self, shape: tuple[int, int]) -> int:
        platform = self._mesh.devices.flat[0].platform
        pixels = BATCH_PIXELS.get(platform, ACCELERATOR_BATCH_PIXELS)
        rows = max(1, pixels // (shape[0] * shape[1]))
        return -(-rows // self._mesh.size) * self._mesh.size

    def _behind(self, shape: tuple[int, int]) -> int:
        return max(MOST_BEHIND, BATCHES_BEHIND * self._rows(shape))

    def _note_program(self, shape: tuple[int, int]) -> None:
        """Keeps ``MOST_PROGRAMS`` programs at most; there is one for each batch shape."""
        if shape in self._programs:
            return
        if len(self._programs) == MOST_PROGRAMS:
            self._sums.clear_cache()  # type: ignore[attr-defined]
            self._programs.clear()
        self._programs.add(shape)
        if self._model.whole and len(self._programs) == MANY_SIZES:
            _LOG.warning(
                "this network sees images whole and is compiled anew for each size, which takes "
                "seconds: %d sizes so far. --resize=N scores all images at one size, which is "
                "another preprocessing with other scores",
                MANY_SIZES,
            )

    def _launch(self, bucket: list) -> tuple[list[int], list[jax.Array]]:
        """Starts computing one batch; returns whose tiles they are and the sums to come."""
        shape = bucket[0][2].shape
        self._note_program(shape)
        laid = [(image, tile) for _, image, tile in bucket]
        images, placement = tiling.batch_of(laid, self._rows(shape), self._model)
        inputs = jax.device_put((images, placement), split_rows(self._mesh))
        sums = self._sums(self._variables, *inputs)
        return [position for position, _, _ in bucket], sums

    def _finish(self, finished: list[tuple[int, list[np.ndarray]]]) -> Iterator[Scored]:
        features = []
        for branch in zip(*[means for _, means in finished], strict=True):
            padded = np.zeros((HEAD_ROWS, *branch[0].shape), np.float32)
            padded[: len(branch)] = branch
            features.append(padded)
        inputs = jax.device_put(features, replicated(self._mesh))
        logits, weights = jax.device_get(self._head(self._variables, inputs))
        for row, (position, _) in enumerate(finished):
            yield Scored(position, float(logits[row]), None if weights is None else weights[row])

    def _tile_sums(
        self, variables, images: jax.Array, placement: Placement | None
    ) -> list[jax.Array]:
        return feature_sums(nnx.merge(self._graphdef, *variables), images, placement)

    def _logits(self, variables, features: list[jax.Array]) -> Prediction:
        return nnx.merge(self._graphdef, *variables).head(features)


def _is_ready(batch) -> bool:
    return all(array.is_ready() for array in batch[1])


def _land(batch, partial: dict[int, _Partial]) -> list[tuple[int, list[np.ndarray]]]:
    """Waits for a batch and returns the mean features of the images it completes."""
    positions, sums = batch
    sums = jax.device_get(sums)
    finished = []
    for row, position in enumerate(positions):
        if partial[position].add([s[row] for s in sums]):
            done = partial.pop(position)
            means = [s / n for s, n in zip(done.sums, done.counts, strict=True)]
            finished.append((position, means))
    return finished
