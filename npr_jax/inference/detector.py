"""The public API: load a detector, score pixels or files."""

import copy
import dataclasses
import functools
import hashlib
import pathlib
from collections.abc import Mapping
from typing import Any, Self

import flax
import jax
import numpy as np
from flax import nnx
from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from input_pipeline.images.preprocessing import NATIVE, Preprocessing
from npr_jax.detectors import calibration_file
from npr_jax.detectors.calibration import Calibration
from npr_jax.detectors.card import Card, find_card, load_card, own_card
from npr_jax.detectors.trained import load_trained, preprocessing_of
from npr_jax.inference import engines, tiling
from npr_jax.inference.file_detector import NO_RESIZE, FileDetector, ImageScorer, Wants
from npr_jax.inference.position_maps import PositionMaps
from npr_jax.inference.scorer import Scorer
from npr_jax.models.base import Model, evaluation_copy, period
from npr_jax.models.clip import VIT_L14, ClipShape
from npr_jax.models.pretrained.state_dict import load_state_dict
from npr_jax.models.systems.registry import SYSTEMS, recognise
from npr_jax.models.systems.system import FileView
from npr_jax.models.systems.univfd import load_univfd

FLAX = f"flax {flax.__version__}"


class Detector(FileDetector):
    """A trained model with its own preprocessing.

    >>> detector = Detector.default()
    >>> for result in detector.score(["photo.jpg"]):
    ...     print(result.path, result.score, result.verdict)

    Attributes, besides those of ``FileDetector``:
        model: one of ``npr_jax.models``.
        config: of its run; None for others than runs.
        step: of its checkpoint; None for published weights.
        checkpoint: ``best`` or ``last``, whichever was read; empty for others than runs.
        training_data: what its run learned from; empty for published weights.
        card: what came with its weights; None for runs and published weights.
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
        wants = Wants(
            period=period(self.model),
            min_side=tiling.shortest_side(self.model),
            max_pixels=tiling.most_pixels(self.model),
            read_file=SYSTEMS[system].read_file,
        )
        super().__init__(
            preprocessing,
            wants,
            source=source,
            system=system,
            engine=FLAX,
            calibration=calibration,
        )
        self.config: ConfigDict | None = None
        self.step: int | None = None
        self.checkpoint = ""
        self.training_data: dict[str, Any] = {}
        self.card: Card | None = None

    @classmethod
    def default(cls, *, resize: int | None = None) -> Self:
        """The bundled detector; see ``from_card``."""
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

    @functools.cached_property
    def _scorer(self) -> ImageScorer:  # type: ignore[override]
        return Scorer(self.model)

    def with_engine(self, engine: str) -> Self:
        """The same detector, its scores from another program; logits differ by less than 1e-4.

        Args:
            engine: ``flax``, ``onnxruntime``, which computes on the CPU, or ``auto``: ONNX Runtime
                where it is installed, it can run this network and JAX has no accelerator. Maps of
                positions are Flax's in any case.

        Raises:
            UserError: ``engine`` is another text, or is ``onnxruntime`` and that cannot be.
        """
        engines.check(engine)
        other = copy.copy(self)
        other.__dict__.pop("_scorer", None)
        other.engine = FLAX
        if engine == "flax":
            return other
        try:
            if engine == "auto" and (found := jax.default_backend()) != "cpu":
                raise UserError(f"the {found} computes")
            scorer = engines.onnx_scorer(self.model)
        except UserError as problem:
            if engine != "auto":
                raise UserError(
                    f"--engine={engine}: {problem}; leave --engine out to take flax"
                ) from problem
            other.engine = f"{FLAX} (not onnxruntime: {problem})"
            return other
        other.__dict__["_scorer"], other.engine = scorer, scorer.name
        return other

    @functools.cached_property
    def weights_sha256(self) -> str:
        """Changes with any number of the network."""
        digest = hashlib.sha256()
        state = nnx.to_pure_dict(nnx.state(self.model))
        for path, value in jax.tree_util.tree_leaves_with_path(state):
            array = np.asarray(value)
            digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    @functools.cached_property
    def file_view(self) -> FileView | None:
        """What prepared files go through before the network; made when the first is scored."""
        make = SYSTEMS[self.system].file_view
        if make is None or self.config is None:
            return None
        return make(self.config.model, self.training_data)

    @functools.cached_property
    def maps(self) -> PositionMaps:
        """Called with an image, says what each position adds to its logit; not of every system."""
        return PositionMaps(self.model)
