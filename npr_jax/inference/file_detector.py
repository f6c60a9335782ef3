"""What every detector does with files, whatever program runs its network; imports no JAX."""

from __future__ import annotations

import copy
import dataclasses
import functools
import logging
import math
import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.images.preprocessing import FileReader, Preprocessing
from input_pipeline.images.problems import ImageProblem
from npr_jax.detectors.calibration import Calibration
from npr_jax.inference.file_stream import Opener, in_order, read_pixels
from npr_jax.inference.verdict import ImageScore, Scored, check_confidence, score_of

if TYPE_CHECKING:
    from npr_jax.models.systems.system import FileView

_LOG = logging.getLogger(__name__)

Path = str | bytes | os.PathLike[str]  # of a file, as its user names it

# What brings a calibration back that other preprocessing than the run's has put aside.
NO_RESIZE = "leave --resize out to use it"


class Wants(NamedTuple):
    """What a network and its system want of the images they get; see ``Preprocessing``."""

    period: int  # pixels; sides are cut to multiples of it
    min_side: int
    max_pixels: int
    read_file: FileReader | None


class ImageScorer(Protocol):
    """What runs a network: ``npr_jax.inference.scorer``, or another program."""

    def score(self, images: Iterable[np.ndarray]) -> Iterator[Scored]:
        """See ``npr_jax.inference.scorer.Scorer``."""
        ...

    def score_sparse(self, images: Iterable[np.ndarray | None]) -> Iterator[Scored | None]:
        """See ``npr_jax.inference.scorer.Scorer``."""
        ...

    def score_all(self, images: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
        """See ``npr_jax.inference.scorer.Scorer``."""
        ...


class FileDetector:
    """Preprocessing before a network, calibration and verdict after it.

    Attributes:
        preprocessing: what happens to a file before the network, a file view aside.
        source: where the weights came from, for reports.
        system: its name in ``SYSTEMS``.
        calibration: what turns logits into calibrated probabilities and verdicts; None: nothing.
        calibration_note: why a calibration that is there is not used; else empty.
        engine: what runs the network, with its version, and why nothing faster does.
    """

    _scorer: ImageScorer

    def __init__(
        self,
        preprocessing: Preprocessing,
        wants: Wants,
        *,
        source: str,
        system: str,
        engine: str,
        calibration: Calibration | None = None,
    ):
        """``calibration``: one fitted to this network with this preprocessing."""
        self._wants = wants
        self.source = source
        self.system = system
        self.engine = engine
        self.preprocessing = self._fitted(preprocessing)
        self.calibration = calibration
        self.calibration_note = ""

    def with_preprocessing(self, preprocessing: Preprocessing) -> Self:
        """The same network with another preprocessing; its calibration is left out."""
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
            multiple_of=math.lcm(preprocessing.multiple_of, self._wants.period),
            min_side=self._wants.min_side,
            max_pixels=self._wants.max_pixels,
            read_file=self._wants.read_file,
        )

    def _warn_if_dropped(self, remedy: str) -> None:
        if self.calibration_note:
            _LOG.warning("scores are not calibrated: %s; %s", self.calibration_note, remedy)

    @property
    def members(self) -> tuple[Self, ...]:
        """The separately trained detectors that make up this one: itself."""
        return (self,)

    @property
    def weights_sha256(self) -> str:
        """Changes with any number of the network."""
        raise NotImplementedError

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

    @property
    def file_view(self) -> FileView | None:
        """What prepared files go through before the network."""
        return None

    def logits(self, images: np.ndarray | Iterable[np.ndarray]) -> np.ndarray:
        """Scores pixels as they are, without any preprocessing.

        Rows at the bottom and columns at the right beyond multiples of the network's period do not
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

    def score(self, paths: Iterable[Path], *, confidence: float | None = None) -> list[ImageScore]:
        """Scores image files; one result for each path, in order, errors included.

        Args:
            paths: files in any format Pillow reads. Pixels count as stored: an EXIF
                orientation is ignored; transparent ones are laid on grey.
            confidence: the verdict is ``unsure`` where neither class has this probability; None:
                as the calibration says, without one 0.75.

        Raises:
            UserError: for one path instead of a list, or a confidence outside [0.5, 1).
        """
        return list(self.iter_scores(paths, confidence=confidence))

    def score_bytes(
        self, files: Iterable[tuple[str, bytes]], *, confidence: float | None = None
    ) -> list[ImageScore]:
        """As ``score``, of files in memory: pairs of a name, for the result, and the bytes."""
        openers = ((name, functools.partial(bytes, data)) for name, data in files)
        return list(self.iter_opened(openers, confidence=confidence))

    def iter_scores(
        self, paths: Iterable[Path], *, confidence: float | None = None
    ) -> Iterator[ImageScore]:
        """As ``score``, each result as soon as it and those before it are known.

        Of the paths, no more are taken than are being scored: there may be any number of them.
        """
        openers = ((name, pathlib.Path(name).read_bytes) for name in names_of(paths))
        return self.iter_opened(openers, confidence=confidence)

    def iter_opened(
        self, files: Iterable[tuple[str, Opener]], *, confidence: float | None = None
    ) -> Iterator[ImageScore]:
        """As ``iter_scores``, of files that lie anywhere.

        Args:
            files: of each a name, for the result, and what gives its bytes, whose ``OSError`` or
                ``ValueError`` is the file's error.
            confidence: see ``score``.

        Raises:
            UserError: for a confidence outside [0.5, 1).
        """
        check_confidence(confidence)
        outcomes = read_pixels(files, self.preprocessing)
        judge = functools.partial(self.judge, confidence=confidence)
        return in_order(outcomes, self._score_sparse, judge)

    def _viewed(self, images: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        return images if self.file_view is None else self.file_view.stream(images)

    def _score_sparse(self, images: Iterator[np.ndarray | None]) -> Iterator[Scored | None]:
        if self.file_view is None:
            return self._scorer.score_sparse(images)
        return self._scorer.score_sparse(self._viewed(i for i in images if i is not None))


def names_of(paths: Iterable[Path]) -> Iterator[str]:
    """The paths as text; ``UserError`` for one path, whose letters are no paths."""
    if isinstance(paths, str | bytes | os.PathLike):
        raise UserError(f"paths is {paths!r}; give a list of paths, as [{paths!r}]")
    return map(os.fsdecode, paths)


def without_folders(source: str) -> str:
    """A detector's source without the folders of this machine."""
    where, bracket, rest = source.rpartition(" (")  # folders may have brackets, too
    where, rest = (where, rest) if bracket else (source, "")
    names = [pathlib.PurePath(part.strip()).name for part in where.split(",")]
    return ", ".join(names) + bracket + rest
