"""A network as the ONNX file that this project itself scores with: any size, tile by tile.

The graph is that of ``export --format=onnx`` up to the feature maps. Then it adds up the positions
that are a tile's own and what the tiles before have summed, so that the last tile of an image has
the image's logit. An image that is not cut into tiles is its own only one.
"""

from __future__ import annotations

import itertools

import jax.numpy as jnp
import numpy as np
from onnx import TensorProto, helper

from input_pipeline.errors import UserError
from npr_jax.models.base import Model, period
from npr_jax.models.classifier import Classifier
from npr_jax.models.fusion import Spatial
from npr_jax.models.onnx.front_end import read_pixels
from npr_jax.models.onnx.graph import Graph
from npr_jax.models.onnx.network import add_head, add_maps, network_problem
from npr_jax.models.onnx.network_facts import PROPERTY, NetworkFacts, sealed
from npr_jax.models.resnet import ResNet


def network_bytes(model: Model, *, weights: str = "") -> bytes:
    """The file's content, with its facts, sealed.

    Inputs: ``images`` uint8 ``[n, h, w, 3]``, all of one size; ``core`` int64 ``[4]``, the first
    row and column and the row and column after the last of the positions to be summed; ``before``
    float32 ``[n, features]``, other tiles' sums; ``positions`` float32, how many the whole image
    has. Outputs: ``sums`` float32 ``[n, features]``, ``logits`` ``[n]`` and, for some, ``weights``
    ``[n, scales]``.

    Args:
        model: in evaluation mode.
        weights: SHA-256 of the file that its numbers are from, if any.

    Raises:
        UserError: for a network that cannot be such a file.
    """
    if problem := network_problem(model):
        raise UserError(f"no ONNX file can hold this network: {problem}")
    if any(network.conv1.dtype != jnp.float32 for network in _networks(model)):
        raise UserError("the network computes in half precision, ONNX files in float32")
    graph = Graph()
    with graph.part("pixels"):
        pixels = read_pixels(graph, "images", period(model))
    maps = add_maps(graph, model, pixels)
    widths = _widths(model, len(maps))
    with graph.part("sums"):
        axes = graph.constant([2, 3], np.int64)
        first, last = (
            graph.add("Slice", "core", *(graph.constant([n], np.int64) for n in ends))
            for ends in ((0, 2), (2, 4))
        )
        own = [
            graph.add("ReduceSum", graph.add("Slice", m, first, last, axes), axes, keepdims=0)
            for m in maps
        ]
        together = own[0] if len(own) == 1 else graph.add("Concat", *own, axis=1)
        graph.add("Add", together, "before", output="sums")
        means = graph.add("Div", "sums", "positions")
    ends = np.cumsum([0, *widths])
    features = [
        graph.add("Slice", means, *(graph.constant([n], np.int64) for n in (*span, 1)))
        for span in itertools.pairwise(ends)
    ]
    outputs = add_head(graph, model, features)
    graph.add("Identity", outputs.logits, output="logits")
    shapes: dict[str, list[str | int]] = {"sums": ["n", sum(widths)], "logits": ["n"]}
    if outputs.weights:
        graph.add("Identity", outputs.weights, output="weights")
        shapes["weights"] = ["n", len(model.scales)]
    facts = _facts(model, sum(widths), weights)
    inputs = [
        helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", "h", "w", 3]),
        helper.make_tensor_value_info("core", TensorProto.INT64, [4]),
        helper.make_tensor_value_info("before", TensorProto.FLOAT, ["n", sum(widths)]),
        helper.make_tensor_value_info("positions", TensorProto.FLOAT, []),
    ]
    infos = [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in shapes.items()]
    proto = graph.model("network", inputs, infos, {PROPERTY: facts.to_json()})
    return sealed(proto.SerializeToString())


def _networks(model) -> list[ResNet]:
    return [model.backbone] if isinstance(model, Classifier) else list(model.branches)


def _widths(model: Model, maps: int) -> list[int]:
    """Features of each map."""
    width = _networks(model)[0].shape.features
    # The second map of fusion spatial holds the scales' weights.
    return [width, len(model.scales)] if isinstance(model, Spatial) else [width] * maps


def _facts(model: Model, features: int, weights: str) -> NetworkFacts:
    pixels = period(model)
    reach = max(grid.reach for grid in model.grids)
    reach += max(front_end.reach(pixels) for front_end in model.front_ends)
    return NetworkFacts(
        weights=weights,
        period=pixels,
        stride=max(grid.stride for grid in model.grids),
        halo=reach,
        features=features,
        scales=tuple(model.scales),
    )
