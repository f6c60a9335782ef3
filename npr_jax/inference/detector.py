"""The public API: load a detector, score pixels or files."""

import copy
import dataclasses
import functools
import logging
import math
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import numpy as np
from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from input_pipeline.images.preprocessing import NATIVE, Preprocessing
from input_pipeline.images.problems import ImageProblem
from npr_jax.detectors import calibration_file
from npr_jax.detectors.calibration import Calibration
from npr_jax.detectors.card import Card, find_card, load_card, own_card
from npr_jax.detectors.trained import load_trained, preprocessing_of
from npr_jax.inference import tiling
from npr_jax.inference.file_stream import Opener, in_order, read_pixels
from npr_jax.inference.position_maps import PositionMaps
from npr_jax.inference.scorer import Scored, Scorer
from npr_jax.inference.verdict import ImageScore, score_of
from npr_jax.models.base import Model, evaluation_copy, period
from npr_jax.models.clip import VIT_L14, ClipShape
from npr_jax.models.pretrained.state_dict import load_state_dict
from npr_jax.models.systems.registry import SYSTEMS, recognise
from npr_jax.models.systems.system import FileView
from npr_jax.models.systems.univfd import load_univfd

_LOG = logging.getLogger(__name__)

# What brings a calibration back that other preprocessing than the run's has put aside.
NO_RESIZE = "leave --resize out to use it"


class Detector:
    """A trained model with its own preprocessing.

    >>> detector = Detector.default()
    >>> for result in detector.score(["photo.jpg"]):
    ...     print(result.path, result.score, result.verdict)

    Attributes:
        model: one of ``npr_jax.models``.
        preprocessing: what happens to a file before the network, a file view aside.
        source: where the weights came from, for reports.
        system: its name in ``SYSTEMS``.
        config: of its run; None for others than runs.
        step: of its checkpoint; None for published weights.
        checkpoint: ``best`` or ``last``, whichever was read; empty for others than runs.
        training_data: what its run learned from; empty for published weights.
        card: what came with its weights; None for runs and published weights.
        calibration: what turns logits into calibrated probabilities and verdicts; None: nothing.
        calibration_note: why a calibration that is there is not used; else empty.
    """

    def __init__(
        self,
        model: Model,
        preprocessing: Preprocessing = NATIVE,
        *,
        source: str,
        system: str = "npr",
        calibration: Calibration | None = None,
    ):
        """Limits, file reader and grid of the preprocessing are set here, as model and system want
        them: sides become multiples of the model's period too, see ``npr_jax.models.base``.

        A calibration is one that was fitted to this model with this preprocessing. Raises
        ``UserError`` for a resize to fewer pixels than the networks need.
        """
        self.model = evaluation_copy(model)
        self.source = source
        self.system = system
        self.preprocessing = self._fitted(preprocessing)
        self.config: ConfigDict | None = None
        self.step: int | None = None
        self.checkpoint = ""
        self.training_data: dict[str, Any] = {}
        self.card: Card | None = None
        self.calibration = calibration
        self.calibration_note = ""
        self._scorer = Scorer(self.model)

    @classmethod
    def default(cls, *, resize: int | None = None) -> Self:
        """The detector that comes with this package; see ``from_card``."""
        return cls.from_card(own_card(), resize=resize)

    @classmethod
    def from_card(cls, path: str | pathlib.Path, *, resize: int | None = None) -> Self:
        """A detector that ``export --format=detector`` has written.

        Args:
            path: its card, its file of weights or the folder in which they lie.
            resize: see ``load``; None: as its card says.

        Raises:
            UserError: if a file is missing or damaged, or the two do not belong together.
        """
        found = find_card(path)
        if found is None:
            raise UserError(f"{path} holds no detector; give the card of one, as NAME.json")
        card, model = load_card(found)
        detector = cls(
            model,
            card.preprocessing,
            source=card.title,
            system=card.model.name,
            calibration=card.calibration,
        )
        detector.step, detector.training_data, detector.card = card.step, card.trained_on, card
        if resize is None:
            return detector
        return detector.with_preprocessing(dataclasses.replace(card.preprocessing, resize=resize))

    @classmethod
    def load(
        cls,
        workdir: str | pathlib.Path,
        *,
        checkpoint: str = "best",
        resize: int | None = None,
        calibrated: bool = True,
    ) -> Self:
        """The detector a run has trained.

        Args:
            workdir: directory of the run.
            checkpoint: ``best`` by validation AP, or ``last``.
            resize: side in pixels to which files are squashed; 0: native size; None: as the run's
                config says.
            calibrated: whether to use the checkpoint's calibration, where it has one. One that is
                of another step or, where ``resize`` is given, of another preprocessing is not used,
                and a warning is logged.

        Raises:
            UserError: if there is no run, no complete checkpoint, or its calibration is damaged or
                was made with other weights or preprocessing than the run's.
        """
        workdir = pathlib.Path(workdir)
        run = load_trained(workdir, checkpoint)
        asked = preprocessing_of(run.config)
        source = f"{workdir} ({run.checkpoint}, step {run.step})"
        detector = cls(run.model, asked, source=source, system=run.config.model.name)
        detector.config, detector.step, detector.checkpoint = run.config, run.step, run.checkpoint
        detector.training_data = run.learned_from
        own = detector.preprocessing
        if resize is not None:
            detector = detector.with_preprocessing(dataclasses.replace(own, resize=resize))
        if calibrated:
            detector.calibration, detector.calibration_note = calibration_file.load(
                workdir, run.step, run.model, used=detector.preprocessing, own=own, asked=asked
            )
            is_there = calibration_file.file_of(workdir, run.step).is_file()
            detector._warn_if_dropped(NO_RESIZE if is_there else "run calibrate again")
        return detector

    @classmethod
    def from_torch_state_dict(
        cls, state_dict: Mapping[str, np.ndarray], *, resize: int | None = None
    ) -> Self:
        """A published detector from its weights, torch names to numpy arrays.

        Args:
            state_dict: of any system with ``published`` weights; which one, its keys tell.
            resize: see ``load``; None: as that system was published.

        Raises:
            UserError: if no system has these keys and shapes.
        """
        return cls._published(state_dict, resize, source="a state dict")

    @classmethod
    def from_weights(cls, path: str | pathlib.Path, *, resize: int | None = None) -> Self:
        """A published detector from a ``.safetensors`` or ``.pth`` file; see above."""
        return cls._published(load_state_dict(path), resize, source=str(path))

    @classmethod
    def _published(
        cls, state_dict: Mapping[str, np.ndarray], resize: int | None, source: str
    ) -> Self:
        system, published, model = recognise(state_dict)
        resize = published.resize if resize is None else resize
        preprocessing = Preprocessing(resize=resize, crop=published.crop)
        return cls(model, preprocessing, source=f"{source} ({system})", system=system)

    @classmethod
    def from_univfd(
        cls,
        head: str | pathlib.Path,
        tower: str | pathlib.Path,
        *,
        resize: int = 0,
        shape: ClipShape = VIT_L14,
    ) -> Self:
        """The published UnivFD from ``fc_weights.pth`` and a file of CLIP's weights."""
        model = load_univfd(head, tower, shape)
        preprocessing = Preprocessing(resize=resize, crop=model.image_side)
        return cls(model, preprocessing, source=f"{head}, {tower} (univfd)", system="univfd")

    def with_preprocessing(self, preprocessing: Preprocessing) -> Self:
        """The same model with another preprocessing; its calibration does not come along."""
        other = copy.copy(self)
        other.preprocessing = self._fitted(preprocessing)
        if other.preprocessing != self.preprocessing and self.calibration is not None:
            other.calibration = None
            other.calibration_note = (
                f"its calibration is for images prepared otherwise: {self.preprocessing_in_words}"
            )
            other._warn_if_dropped(NO_RESIZE)
        return other

    def _fitted(self, preprocessing: Preprocessing) -> Preprocessing:
        return dataclasses.replace(
            preprocessing,
            multiple_of=math.lcm(preprocessing.multiple_of, period(self.model)),
            min_side=tiling.shortest_side(self.model),
            max_pixels=tiling.most_pixels(self.model),
            read_file=SYSTEMS[self.system].read_file,
        )

    def _warn_if_dropped(self, remedy: str) -> None:
        if self.calibration_note:
            _LOG.warning("scores are not calibrated: %s; %s", self.calibration_note, remedy)

    @property
    def members(self) -> tuple[Self, ...]:
        """The separately trained detectors that make up this one: itself."""
        return (self,)

    @property
    def title(self) -> str:
        """Its source without folders, which are nobody's business elsewhere."""
        return without_folders(self.source)

    @property
    def preprocessing_in_words(self) -> str:
        """What happens to a file's pixels before the network."""
        return self.preprocessing.in_words()

    @property
    def calibration_in_words(self) -> str:
        """Whether scores are calibrated, and how; where a calibration is not used, why."""
        if self.calibration is not None:
            return self.calibration.in_words()
        note = f" ({self.calibration_note})" if self.calibration_note else ""
        return "not calibrated" + note

    @functools.cached_property
    def file_view(self) -> FileView | None:
        """What prepared files go through before the network; made when the first is scored."""
        make = SYSTEMS[self.system].file_view
        if make is None or self.config is None:
            return None
        return make(self.config.model, self.training_data)

    def logits(self, images: np.ndarray | Iterable[np.ndarray]) -> np.ndarray:
        """Scores pixels as they are, without any preprocessing.

        Rows at the bottom and columns at the right beyond multiples of the model's period do not
        count, as with files: residuals have one and the same grid at every size.

        Args:
            images: uint8 ``[n, h, w, 3]`` RGB, or images ``[h, w, 3]`` of any sizes from 32 pixels.

        Returns:
            float32 ``[n]``; positive means generated, the probability is its sigmoid.
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

    @functools.cached_property
    def maps(self) -> PositionMaps:
        """Called with an image, says what each position adds to its logit; not of every system."""
        return PositionMaps(self.model)

    def see(self, images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Files' own pixels, uint8 ``[h, w, 3]``, as the network gets them.

        ``ImageProblem`` for an image that is too small, or too large for the system.
        """
        return self._viewed(map(self.preprocessing, images))

    def read(self, path: str) -> np.ndarray:
        """A file as the network gets it, uint8 ``[h, w, 3]``; ``ImageProblem`` names the file."""
        try:
            data = pathlib.Path(path).read_bytes()
            [seen] = self.see([self.preprocessing.decode(data)])
        except OSError as error:
            raise ImageProblem(f"{path}: {error.strerror or error}") from error
        except ImageProblem as error:
            raise type(error)(f"{path}: {error}") from error
        return seen

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
                orientation is ignored; transparent ones are laid on grey.
            confidence: the verdict is ``unsure`` where neither class has this probability; None:
                as the calibration says, without one 0.75.
        """
        return list(self.iter_scores(paths, confidence=confidence))

    def score_bytes(
        self, files: Iterable[tuple[str, bytes]], *, confidence: float | None = None
    ) -> list[ImageScore]:
        """As ``score``, of files in memory: pairs of a name, for the result, and the bytes."""
        openers = ((name, functools.partial(bytes, data)) for name, data in files)
        return list(self._results(openers, confidence))

    def iter_scores(
        self, paths: Iterable[str | pathlib.Path], *, confidence: float | None = None
    ) -> Iterator[ImageScore]:
        """As ``score``, each result as soon as it and those before it are known.

        Of the paths, no more are taken than are being scored: there may be any number of them.
        """
        names = map(str, paths)
        openers = ((name, pathlib.Path(name).read_bytes) for name in names)
        return self._results(openers, confidence)

    def _viewed(self, images: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        return images if self.file_view is None else self.file_view.stream(images)

    def _score_sparse(self, images: Iterator[np.ndarray | None]) -> Iterator[Scored | None]:
        if self.file_view is None:
            return self._scorer.score_sparse(images)
        return self._scorer.score_sparse(self._viewed(i for i in images if i is not None))

    def _results(
        self, files: Iterable[tuple[str, Opener]], confidence: float | None
    ) -> Iterator[ImageScore]:
        outcomes = read_pixels(files, self.preprocessing)
        judge = functools.partial(self.judge, confidence=confidence)
        return in_order(outcomes, self._score_sparse, judge)


def without_folders(source: str) -> str:
    """A detector's source without the folders of this machine."""
    where, bracket, rest = source.rpartition(" (")  # folders may have brackets, too
    where, rest = (where, rest) if bracket else (source, "")
    names = [pathlib.PurePath(part.strip()).name for part in where.split(",")]
    return ", ".join(names) + bracket + rest
