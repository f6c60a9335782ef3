"""The network file for ONNX Runtime in 8 bits: faster, and a little less exact.

Static quantisation by ONNX Runtime: weights per channel, activations by the range that they have
over some pictures, which then is part of the file. The pixels, the residual, the stem and the first
stage stay in floating point: there the values are differences of neighbours, most of them tiny and
a few large. So do the sums over positions, which grow with the picture and have no range, and the
classifier, whose steps would be those of the logit. Weights take 7 bits, with which no sum
overflows on processors without VNNI (`reduce_range` in ONNX Runtime's guide to quantisation): else
scores would depend on which it is.
"""

from __future__ import annotations

import logging
import pathlib
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import onnx

from npr_jax.inference.onnx_runtime import onnx_runtime
from npr_jax.inference.onnx_scorer import OnnxScorer
from npr_jax.models.onnx.network_facts import SEAL, sealed

_OPERATIONS = ["Conv", "Add", "Relu"]
_IN_FLOAT = {
    "stem",
    "stage 1",
    "sums",
    "classifier",
}  # parts of the graph, see ``npr_jax.models.onnx.graph``


def in_eight_bits(network: bytes, pictures: Iterable[np.ndarray]) -> bytes:
    """The content of a file that computes nearly the same in 8 bits.

    Args:
        network: what ``network_file.network_bytes`` returned.
        pictures: uint8 ``[h, w, 3]``, some of what the network will see; a hundred are enough.
    """
    onnx_runtime()
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Tiles(CalibrationDataReader):
        """The network's inputs as ONNX Runtime asks for them: one by one, None at the end."""

        def __init__(self) -> None:
            scorer = OnnxScorer(network)
            self._tiles: Iterator[dict[str, np.ndarray]] = (
                tile for picture in pictures for tile in scorer.tiles(picture)
            )

        def get_next(self) -> dict[str, np.ndarray] | None:
            """The next."""
            return next(self._tiles, None)

    logging.getLogger().addFilter(_is_no_advice)
    try:
        with tempfile.TemporaryDirectory() as folder:
            before, after = (pathlib.Path(folder, name) for name in ("before", "after"))
            before.write_bytes(network)
            quantize_static(
                before,
                after,
                Tiles(),
                per_channel=True,
                reduce_range=True,
                op_types_to_quantize=_OPERATIONS,
                nodes_to_exclude=_in_float(onnx.load(str(before)).graph),
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
            made = onnx.load(str(after))
    finally:
        logging.getLogger().removeFilter(_is_no_advice)
    facts = [entry for entry in made.metadata_props if entry.key != SEAL]
    del made.metadata_props[:]
    made.metadata_props.extend(facts)
    return sealed(made.SerializeToString())


def _in_float(graph: Any) -> list[str]:
    """Names of the operations that stay in floating point."""
    return [node.name for node in graph.node if _IN_FLOAT & set(node.name.split("/"))]


def _is_no_advice(record: logging.LogRecord) -> bool:
    """Whether a log record is none of ONNX Runtime's, which wants graphs prepared by a step of its
    own that changes nothing here: constants are folded and shapes known already."""
    return "pre-processing before quantization" not in record.getMessage()
