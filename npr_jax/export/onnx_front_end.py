"""The views of an image as nodes of an ONNX graph, for images of any size."""

from __future__ import annotations

import dataclasses

import numpy as np
from onnx import TensorProto

from npr_jax.export.onnx_graph import Graph
from npr_jax.residuals import color_spaces
from npr_jax.residuals.front_end import FrontEnd

LINEAR_COLORS = {
    "ycbcr": (color_spaces.YCBCR, (0.0, 128.0, 128.0)),
    "differences": (color_spaces.DIFFERENCES, (0.0, 0.0, 0.0)),
}


@dataclasses.dataclass(frozen=True)
class Pixels:
    """The images in a graph: float ``[n, 3, h, w]``, 0 to 255, and their sides, int64 scalars."""

    values: str
    height: str
    width: str


def read_pixels(graph: Graph, images: str) -> Pixels:
    """From the input ``images``, uint8 ``[n, h, w, 3]``."""
    sides = graph.add("Shape", images, start=1, end=3)
    height, width = (
        graph.add("Gather", sides, graph.constant(i, np.int64), axis=0) for i in range(2)
    )
    planes = graph.add("Transpose", images, perm=[0, 3, 1, 2])
    return Pixels(graph.cast(planes, TensorProto.FLOAT), height, width)


def add_view(graph: Graph, front_end: FrontEnd, pixels: Pixels) -> str:
    """A view float ``[n, 3, h, w]``, less the scale, which belongs into the kernel that follows."""
    values = pixels.values
    if front_end.color != "rgb":
        matrix, offset = LINEAR_COLORS[front_end.color]
        kernel = graph.constant(matrix[:, :, None, None])
        values = graph.add("Conv", values, kernel, graph.constant(offset))
    if front_end.mode == "nearest":
        with graph.part("rows"):
            rows = add_references(graph, pixels.height, front_end.factor, front_end.phase[0])
            chosen = graph.add("Gather", values, rows, axis=2)
        with graph.part("columns"):
            columns = add_references(graph, pixels.width, front_end.factor, front_end.phase[1])
            chosen = graph.add("Gather", chosen, columns, axis=3)
        values = graph.add("Sub", values, chosen)
    if any(front_end.offset):
        by_channel = np.reshape(front_end.offset, (1, -1, 1, 1))
        values = graph.add("Sub", values, graph.constant(by_channel))
    return values


def add_references(graph: Graph, length: str, factor: float, phase: int) -> str:
    """Of each pixel of an axis its reference's index, int64 ``[length]``.

    The arithmetic is that of ``residual.axis_operator``: float64 for the number of pixels
    that are left, float32 for their places.
    """
    one = graph.constant(1, np.int64)
    exact = graph.add(
        "Mul", graph.cast(length, TensorProto.DOUBLE), graph.constant(factor, np.float64)
    )
    left = graph.cast(graph.add("Floor", exact), TensorProto.INT64)
    small = graph.add("Max", left, one)
    down = _nearest(graph, length, small)
    if phase:
        last = graph.add("Sub", length, one)
        shifted = graph.add("Add", down, graph.constant(phase, np.int64))
        down = graph.add("Min", shifted, last)
    return graph.add("Gather", down, _nearest(graph, small, length), axis=0)


def _nearest(graph: Graph, length_in: str, length_out: str) -> str:
    """As ``npr_jax.residuals.resampling.nearest_indices``, int64 ``[length_out]``."""
    before, after = (graph.cast(n, TensorProto.FLOAT) for n in (length_in, length_out))
    places = graph.add("Range", graph.constant(0.0), after, graph.constant(1.0))
    source = graph.add("Floor", graph.add("Mul", places, graph.add("Div", before, after)))
    last = graph.add("Sub", length_in, graph.constant(1, np.int64))
    return graph.add("Min", graph.cast(source, TensorProto.INT64), last)
