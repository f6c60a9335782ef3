"""The public API: load a detector, score pixels or files."""

from __future__ import annotations

import functools
import json
import logging
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import jax
import ml_collections
import numpy as np
from flax import nnx

from input_pipeline.errors import UserError
from npr_jax.config import load_config
from npr_jax.detectors import calibration_file, frozen_weights
from npr_jax.detectors.calibration import Calibration
from npr_jax.inference.position_maps import PositionMaps
from npr_jax.inference.preprocessing import Preparation
from npr_jax.inference.scorer import Scored, Scorer
from npr_jax.inference.tiling import MIN_SIDE
from npr_jax.inference.verdict import ImageScore, score_of
from npr_jax.models.base import Frozen, Model, evaluation_copy
from npr_jax.models.clip import VIT_L14, ClipShape
from npr_jax.models.pretrained.clip_weights import load_univfd
from npr_jax.models.pretrained.registry import recognise
from npr_jax.models.pretrained.state_dict import load_state_dict
from npr_jax.models.systems.registry import SYSTEMS, build_model
from npr_jax.models.systems.system import FileView
from npr_jax.training.checkpoint import restore_for_scoring
from npr_jax.training.train_state import abstract_train_state

if TYPE_CHECKING:
    from npr_jax.inference.ensemble import Ensemble

_LOG = logging.getLogger(__name__)

# Files decoded ahead of the network; each may be a large photograph, so few.
DECODE_AHEAD = 4


class Detector:
    """A trained model with its own preprocessing.

    >>> detector = Detector.load("runs/quickstart")
    >>> for result in detector.score(["photo.jpg"]):
    ...     print(result.path, result.score, result.verdict)
    """

    def __init__(
        self,
        model: Model,
        *,
        resize: int,
        source: str,
        crop: int = 0,
        small_images: str = "reflect",
        jpeg_quality: int = 0,
        system: str = "npr",
        calibration: Calibration | None = None,
    ):
        """Args:
        model: one of ``npr_jax.models``.
        resize: side in pixels to which files are squashed before scoring; 0: native size.
        crop: side in pixels of the centre crop that is scored after that; 0: the whole image.
        small_images: how images below the crop are enlarged, ``reflect`` or ``tile``.
        source: where the weights came from, for reports.
        jpeg_quality: quality that files are re-encoded with before scoring, as the images
            of the training were; 0: never.
        system: its name in ``npr_jax.models.systems.registry.SYSTEMS``, for reports.
        calibration: fitted to this model with this preprocessing; None: scores are not calibrated.
        """
        if resize and resize < MIN_SIDE:
            raise UserError(f"resize is {resize}; expected 0 (native size) or at least {MIN_SIDE}")
        self.model = evaluation_copy(model)
        self.resize = resize
        self.crop = crop
        self.small_images = small_images
        self.jpeg_quality = jpeg_quality
        self.source = source
        self.system = system
        self.config: ml_collections.ConfigDict | None = None
        self.step: int | None = None
        self.training_data: dict[str, Any] = {}
        self._calibration = calibration
        self._calibrated_preprocessing = self.preprocessing
        self._maps: PositionMaps | None = None
        self._make_file_view: Callable[[], FileView | None] | None = None
        self._scorer = Scorer(self.model)

    @classmethod
    def load(
        cls,
        workdir: str | pathlib.Path,
        *,
        checkpoint: str = "best",
        resize: int | None = None,
        calibrated: bool = True,
    ) -> Detector:
        """The detector a run has trained.

        Args:
            workdir: directory of the run.
            checkpoint: ``best`` by validation AP, or ``last``.
            resize: see ``__init__``; None: as the run's config says.
            calibrated: whether to use the checkpoint's calibration, where it has one. One that is
                of another checkpoint or preprocessing is not used, and a warning is logged.

        Raises:
            ValueError: if there is no run, no complete checkpoint, or its calibration is damaged.
        """
        workdir = pathlib.Path(workdir)
        config = load_config(workdir)
        frozen_weights.check(workdir, config.model, frozen_weights.fingerprint(config.model))
        model = nnx.eval_shape(lambda: build_model(config.model, nnx.Rngs(params=0), load=False))
        graphdef, _, _, frozen = nnx.split(model, nnx.Param, nnx.BatchStat, Frozen)
        if frozen:
            frozen = nnx.state(build_model(config.model, nnx.Rngs(params=0)), Frozen)
        shapes = abstract_train_state(config)
        own = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        shapes = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=own), shapes
        )
        step, state = restore_for_scoring(workdir, checkpoint, shapes)
        model = nnx.merge(graphdef, state.params, state.batch_stats, frozen)
        native = config.data.evaluate_resize if resize is None else resize
        source = f"{workdir} ({checkpoint}, step {step})"
        reencode = config.data.reencode
        quality = sum(reencode) // 2 if reencode else 0
        detector = cls(
            model,
            resize=native,
            crop=config.data.evaluate_crop,
            small_images=config.data.small_images,
            source=source,
            jpeg_quality=quality,
            system=config.model.name,
        )
        detector.config, detector.step = config, step
        detector.training_data = json.loads((workdir / "training_data.json").read_text())
        if make := SYSTEMS[config.model.name].file_view:
            detector._make_file_view = functools.partial(make, config.model, detector.training_data)
        if calibrated:
            detector._load_calibration(workdir, step)
        return detector

    def _load_calibration(self, workdir: pathlib.Path, step: int) -> None:
        words = self.preprocessing
        self._calibration, problem = calibration_file.load(workdir, step, self.model, words)
        self._calibrated_preprocessing = words
        if problem:
            _LOG.warning("scores are not calibrated: %s; run calibrate again", problem)

    @property
    def calibration(self) -> Calibration | None:
        """What turns logits into calibrated probabilities and verdicts; None: nothing does."""
        # Whoever changes the preprocessing has another detector.
        fits = self._calibrated_preprocessing == self.preprocessing
        return self._calibration if fits else None

    @property
    def calibration_in_words(self) -> str:
        """Whether scores are calibrated, and how."""
        known = self.calibration
        if known is None:
            return "not calibrated"
        return (
            f"calibrated (temperature {known.temperature:.3g}, bias {known.bias:.3g}, verdicts for "
            f"at most {100 * known.target_error:.3g} % errors)"
        )

    @classmethod
    def from_torch_state_dict(
        cls, state_dict: Mapping[str, np.ndarray], *, resize: int | None = None
    ) -> Detector:
        """A published detector from its weights, torch names to numpy arrays.

        Args:
            state_dict: of any system in ``pretrained.registry``; which one, its keys tell.
            resize: see ``__init__``; None: as that system was published.

        Raises:
            ValueError: if no system has these keys and shapes.
        """
        return cls._published(state_dict, resize, source="a state dict")

    @classmethod
    def from_weights(cls, path: str | pathlib.Path, *, resize: int | None = None) -> Detector:
        """A published detector from a ``.safetensors`` or ``.pth`` file; see above."""
        return cls._published(load_state_dict(path), resize, source=str(path))

    @classmethod
    def _published(
        cls, state_dict: Mapping[str, np.ndarray], resize: int | None, source: str
    ) -> Detector:
        published, model = recognise(state_dict)
        resize = published.resize if resize is None else resize
        source = f"{source} ({published.name})"
        return cls(model, resize=resize, crop=published.crop, source=source, system=published.name)

    @staticmethod
    def ensemble(
        workdirs: Sequence[str | pathlib.Path],
        *,
        checkpoint: str = "best",
        resize: int | None = None,
    ) -> Ensemble:
        """Several runs' detectors as one, by their mean logit; see ``ensemble``."""
        from npr_jax.inference.ensemble import Ensemble

        members = [Detector.load(w, checkpoint=checkpoint, resize=resize) for w in workdirs]
        return Ensemble(members)

    @property
    def members(self) -> tuple[Detector, ...]:
        """The separately trained detectors that make up this one: itself."""
        return (self,)

    @classmethod
    def from_univfd(
        cls,
        head: str | pathlib.Path,
        tower: str | pathlib.Path,
        *,
        resize: int = 0,
        shape: ClipShape = VIT_L14,
    ) -> Detector:
        """The published UnivFD from ``fc_weights.pth`` and a file of CLIP's weights."""
        model = load_univfd(head, tower, shape)
        source = f"{head}, {tower} (univfd)"
        crop = model.image_side
        return cls(model, resize=resize, crop=crop, source=source, system="univfd")

    @functools.cached_property
    def file_view(self) -> FileView | None:
        """What files go through before the network; made when the first file is scored.

        Raises:
            ValueError: what it needs is not there, or is not what the run was trained with.
        """
        return None if self._make_file_view is None else self._make_file_view()

    @property
    def preprocessing(self) -> str:
        """What happens to a file's pixels before the network, in words."""
        return self.preparation.in_words()

    @property
    def preparation(self) -> Preparation:
        """What happens to a file before the network, file views aside, as a function."""
        return Preparation(
            model=self.model,
            read_file=SYSTEMS[self.system].read_file,
            resize=self.resize,
            crop=self.crop,
            small_images=self.small_images,
            jpeg_quality=self.jpeg_quality,
        )

    def logits(self, images: np.ndarray | Iterable[np.ndarray]) -> np.ndarray:
        """Scores pixels as they are, without any resize.

        Args:
            images: uint8 ``[n, h, w, 3]`` RGB, or images ``[h, w, 3]`` of any sizes.

        Returns:
            float32 ``[n]``; positive means generated, the probability is its sigmoid.

        Raises:
            ValueError: for other arrays, or sides under 32 pixels.
        """
        return self._scorer.score_all(images)[0]

    def logits_and_weights(
        self, images: Iterable[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """As ``logits``, with the attention's weights float32 ``[n, scales]`` or None."""
        return self._scorer.score_all(images)

    def iter_logits(self, images: Iterable[np.ndarray]) -> Iterator[Scored]:
        """As ``logits``, one image at a time, out of order: for more than fit into memory."""
        return self._scorer.score(images)

    def maps(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """What each position of one image adds to its logit; see ``position_maps``.

        Args:
            image: uint8 ``[h, w, 3]``, scored as it is, whole.

        Raises:
            ValueError: for a system without such a map, or an image too large.
        """
        self._maps = self._maps or PositionMaps(self.model)
        return self._maps(image)

    def read(self, path: str) -> np.ndarray:
        """A file's pixels as they are scored, uint8 ``[h, w, 3]``.

        Raises:
            ValueError: with the reason, where there are none.
        """
        outcome = self.preparation.pixels_or_problem(pathlib.Path(path).read_bytes)
        if isinstance(outcome, str):
            raise UserError(f"{path}: {outcome}")
        return outcome

    def see(self, images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Files' own pixels, uint8 ``[h, w, 3]``, as the network gets them; see `Preparation`.

        Raises:
            ValueError: an image is too small, or too large for the system.
        """
        prepared = map(self.preparation.prepare, images)
        return prepared if self.file_view is None else self.file_view.stream(prepared)

    def judge(self, name: str, scored: Scored, *, confidence: float | None = None) -> ImageScore:
        """What is said of a file whose logit is known; see ``score`` for the confidence."""
        weights = None if scored.weights is None else tuple(map(float, scored.weights))
        return score_of(name, scored.logit, confidence, weights, self.calibration)

    def score(
        self, paths: Iterable[str | pathlib.Path], *, confidence: float | None = None
    ) -> list[ImageScore]:
        """Scores image files; one result for each path, in order, errors included.

        Args:
            paths: files in any format Pillow reads. Pixels count as stored: an EXIF
                orientation is ignored, transparency dropped.
            confidence: the verdict is ``unsure`` where neither class has this probability; None:
                as the calibration says, without one 0.75.
        """
        return list(self.iter_scores(paths, confidence=confidence))

    def score_bytes(
        self, files: Iterable[tuple[str, bytes]], *, confidence: float | None = None
    ) -> list[ImageScore]:
        """As ``score``, of files in memory: pairs of a name, for the result, and the bytes."""
        named = list(files)
        readers = [functools.partial(bytes, data) for _, data in named]
        return list(self._results([name for name, _ in named], readers, confidence))

    def iter_scores(
        self, paths: Iterable[str | pathlib.Path], *, confidence: float | None = None
    ) -> Iterator[ImageScore]:
        """As ``score``, each result as soon as it and those before it are known."""
        names = [str(path) for path in paths]
        return self._results(names, [pathlib.Path(name).read_bytes for name in names], confidence)

    def _results(
        self, names: list[str], readers: Sequence[Callable[[], bytes]], confidence: float | None
    ) -> Iterator[ImageScore]:
        results: dict[int, ImageScore] = {}
        places: list[int] = []
        pixels = self._readable(names, readers, results, places)
        if self.file_view is not None:
            pixels = self.file_view.stream(pixels)
        done = 0
        for scored in self._scorer.score(pixels):
            place = places[scored.position]
            results[place] = self.judge(names[place], scored, confidence=confidence)
            while done in results:
                yield results.pop(done)
                done += 1
        for place in range(done, len(names)):
            yield results.pop(place)

    def _readable(
        self,
        names: list[str],
        readers: Sequence[Callable[[], bytes]],
        results: dict[int, ImageScore],
        places: list[int],
    ) -> Iterator[np.ndarray]:
        """Pixels of the files that can be scored; the others get their error in results."""
        pixels_of = self.preparation.pixels_or_problem
        with ThreadPoolExecutor(DECODE_AHEAD) as pool:
            ahead = [pool.submit(pixels_of, read) for read in readers[:DECODE_AHEAD]]
            for place, name in enumerate(names):
                outcome = ahead.pop(0).result()
                if place + DECODE_AHEAD < len(names):
                    ahead.append(pool.submit(pixels_of, readers[place + DECODE_AHEAD]))
                if isinstance(outcome, str):
                    results[place] = ImageScore(name, None, "", outcome)
                else:
                    places.append(place)
                    yield outcome
