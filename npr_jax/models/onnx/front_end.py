"""The views of an image as nodes of an ONNX graph, for images of any size.

Sides that are multiples of the views' period need no arithmetic of sizes: references lie at the
same places in every block of pixels.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from onnx import TensorProto

from npr_jax.models.onnx.graph import Graph
from npr_jax.residuals import color_spaces
from npr_jax.residuals.front_end import FrontEnd

LINEAR_COLORS = {
    "ycbcr": (color_spaces.YCBCR, (0.0, 128.0, 128.0)),
    "differences": (color_spaces.DIFFERENCES, (0.0, 0.0, 0.0)),
}


@dataclasses.dataclass(frozen=True)
class Pixels:
    """The images as they are scored: float ``[n, 3, h, w]``, 0 to 255; int64 scalars h and w."""

    values: str
    height: str
    width: str


def read_pixels(graph: Graph, images: str, period: int) -> Pixels:
    """From the input ``images``, uint8 ``[n, h, w, 3]``, their sides cut to multiples of it."""
    sides = graph.add("Shape", images, start=1, end=3)
    if period > 1:
        rest = graph.add("Mod", sides, graph.constant([period], np.int64))
        sides = graph.add("Sub", sides, rest)
        first, axes = graph.constant([0, 0], np.int64), graph.constant([1, 2], np.int64)
        images = graph.add("Slice", images, first, sides, axes)
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
            rows = add_references(graph, pixels.height, front_end, 0)
            chosen = graph.add("Gather", values, rows, axis=2)
        with graph.part("columns"):
            columns = add_references(graph, pixels.width, front_end, 1)
            chosen = graph.add("Gather", chosen, columns, axis=3)
        values = graph.add("Sub", values, chosen)
    if any(front_end.offset):
        by_channel = np.reshape(front_end.offset, (1, -1, 1, 1))
        values = graph.add("Sub", values, graph.constant(by_channel))
    return values


def add_references(graph: Graph, length: str, front_end: FrontEnd, axis: int) -> str:
    """Of each pixel of an axis (0: rows, 1: columns) its reference's index, int64 ``[length]``.

    The length is a multiple of the front end's period.
    """
    period = front_end.period
    offsets = front_end.operator(period, axis) - np.arange(period)
    first, step = (graph.constant(n, np.int64) for n in (0, 1))
    places = graph.add("Range", first, length, step)
    within = graph.add("Mod", places, graph.constant(period, np.int64))
    offset = graph.add("Gather", graph.constant(offsets, np.int64), within, axis=0)
    return graph.add("Add", places, offset)
