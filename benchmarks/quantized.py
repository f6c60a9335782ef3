"""An exported ONNX file in 8 bits, and what that costs in accuracy.

Static quantisation of convolutions and matrix products by ONNX Runtime: weights per channel,
activations by their range over images of the run's validation split. The pixels, the residual and
the stem stay in floating point: a residual is a small difference of large numbers.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import ml_collections
import numpy as np

from input_pipeline.loading.pipeline import evaluation_images
from npr_jax.detectors.trained import preprocessing_of
from npr_jax.training import inputs

BATCH = 16


def labelled_images(
    config: ml_collections.ConfigDict, workdir: pathlib.Path, split: str, count: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Labels int ``[n]`` (1 generated) and pixels of images spread evenly over a split of a run.

    The pixels are as the run's evaluation sees them.
    """
    source = inputs.named_split(inputs.open_dataset(config, workdir), split, "split").source
    chosen = np.unique(np.linspace(0, len(source) - 1, min(count, len(source))).astype(int))
    elements = list(evaluation_images(source.subset(chosen), preprocessing_of(config)))
    return np.array([e["label"] for e in elements]), [e["image"] for e in elements]


def batches(images: list[np.ndarray]) -> Iterator[np.ndarray]:
    """The images, of one size, as uint8 ``[n, h, w, 3]``."""
    for first in range(0, len(images), BATCH):
        yield np.stack(images[first : first + BATCH])


def quantize(source: pathlib.Path, target: pathlib.Path, images: list[np.ndarray]) -> None:
    """Writes the file's 8-bit form, calibrated on the images."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Images(CalibrationDataReader):
        """Hands the images to the calibration, batch by batch."""

        def __init__(self) -> None:
            self._batches = batches(images)

        def get_next(self) -> dict[str, np.ndarray] | None:
            """The next batch as the graph's input; None: there is none."""
            batch = next(self._batches, None)
            return None if batch is None else {"images": batch}

    model = onnx.load(str(source))
    quantize_static(
        model,
        str(target),
        Images(),
        per_channel=True,
        op_types_to_quantize=["Conv"],
        nodes_to_exclude=stems(model.graph),
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def stems(graph: Any) -> list[str]:
    """Names of the convolutions that see three channels."""
    shapes = {array.name: array.dims for array in graph.initializer}
    return [n.name for n in graph.node if n.op_type == "Conv" and shapes[n.input[1]][1] == 3]


def accuracy(path: pathlib.Path, labels: np.ndarray, images: list[np.ndarray]) -> dict[str, Any]:
    """AUC, share of right calls at probability 0.5, and the probabilities, of an ONNX file."""
    import onnxruntime as ort
    from sklearn.metrics import roc_auc_score

    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    parts = [session.run(["probability"], {"images": b})[0] for b in batches(images)]
    probability = np.concatenate(parts)
    right = (probability >= 0.5) == (labels == 1)
    return {
        "images": len(labels),
        "auc": float(roc_auc_score(labels, probability)),
        "accuracy": float(right.mean()),
        "probability": probability,
    }
