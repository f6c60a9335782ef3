"""A detector with a card as ONNX Runtime runs it: no JAX is imported, nothing is compiled."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import TYPE_CHECKING, Self

from input_pipeline.errors import UserError
from npr_jax.detectors.card import NETWORKS, outline_of
from npr_jax.inference import engines
from npr_jax.inference.file_detector import FileDetector, Wants

if TYPE_CHECKING:
    from npr_jax.inference.onnx_scorer import OnnxScorer


class NetworkFileError(UserError):
    """The file for ONNX Runtime is there and cannot be used."""


class PackedDetector(FileDetector):
    """What ``predict`` needs of a detector; ``Detector`` has the network itself, too."""

    _scorer: OnnxScorer

    @property
    def weights_sha256(self) -> str:
        """Of the file of weights that its network was made of."""
        return self._scorer.facts.weights

    @classmethod
    def open(
        cls, card: pathlib.Path, *, resize: int | None = None, precision: str = "float32"
    ) -> Self | None:
        """The detector of a card; None where ONNX Runtime or the file for it is missing.

        Args:
            card: its path; beside it lie its weights and its network for ONNX Runtime.
            resize: see ``Detector.load``; None: as the card says.
            precision: of ``NETWORKS``; the detector's source names any but float32.

        Raises:
            NetworkFileError: that file is damaged, or of other weights than the card's.
            UserError: as ``Detector.from_card``.
        """
        file = card.with_suffix(NETWORKS[precision])
        if not engines.has_onnxruntime() or not file.is_file():
            return None
        outline = outline_of(card)
        from npr_jax.inference.onnx_scorer import OnnxScorer

        try:
            scorer = OnnxScorer(file.read_bytes())
            if scorer.facts.weights != outline.weights:
                raise UserError("it was made of other weights than those beside it")
        except UserError as error:
            raise NetworkFileError(f"{file} cannot be used: {error}") from error
        detector = cls(
            outline.preprocessing,
            Wants(scorer.facts.period, scorer.min_side, max_pixels=0, read_file=None),
            source=outline.title + ("" if precision == "float32" else f" ({precision})"),
            system=outline.system,
            engine=scorer.name,
            calibration=outline.calibration,
        )
        detector._scorer = scorer
        if resize is None:
            return detector
        way = dataclasses.replace(outline.preprocessing, resize=resize)
        return detector.with_preprocessing(way)
