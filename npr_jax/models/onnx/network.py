"""ResNets and the heads on them as nodes of an ONNX graph; batch norm is part of the kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from flax import nnx

from npr_jax.models import fusion, layers
from npr_jax.models.base import Model, period_problem
from npr_jax.models.classifier import Classifier
from npr_jax.models.onnx.front_end import LINEAR_COLORS, Pixels, add_view
from npr_jax.models.onnx.graph import Graph
from npr_jax.models.resnet import BasicBlock, Bottleneck, ResNet
from npr_jax.residuals.front_end import FrontEnd, distinct

NETWORKS = (
    ResNet,
    fusion.Mean,
    fusion.Fixed,
    fusion.Concatenation,
    fusion.Attention,
    fusion.Spatial,
)
MODES = ("nearest", "none")
COLORS = ("rgb", *LINEAR_COLORS)


class Outputs(NamedTuple):
    """``logits`` ``[n]`` and, for models that weigh their scales, ``weights`` ``[n, scales]``."""

    logits: str
    weights: str


def network_problem(model: Model) -> str:
    """Why a network cannot be written here, its views included; empty: it can."""
    if problem := period_problem(model):
        return problem
    network = model.backbone if isinstance(model, Classifier) else model
    if type(network) not in NETWORKS:
        return f"its network, {type(network).__name__}, is none of those written here"
    for front_end in model.front_ends:
        if front_end.mode not in MODES:
            return f"it has a residual {front_end.mode}"
        if front_end.color not in COLORS:
            return f"it has colours {front_end.color}"
    return ""


def add_maps(graph: Graph, model: Model, pixels: Pixels) -> list[str]:
    """What ``Model.feature_maps`` gives of the pixels, float ``[n, features, h, w]`` each."""
    if isinstance(model, Classifier):
        with graph.part("backbone"):
            return [_resnet(graph, model.backbone, model.front_ends, pixels)]
    maps = _branches(graph, model, pixels)
    if not isinstance(model, fusion.Spatial):
        return maps
    weights = _weights(graph, model, maps, _linear_of_maps)
    return [_weigh(graph, weights, maps), weights]


def add_head(graph: Graph, model: Model, features: Sequence[str]) -> Outputs:
    """What ``Model.head`` gives of the maps' means, float ``[n, features]`` each."""
    return _HEADS[type(model)](graph, model, features)


def add_means(graph: Graph, maps: Sequence[str]) -> list[str]:
    """Means over positions, ``[n, features]`` each."""
    return [graph.add("Flatten", graph.add("GlobalAveragePool", m), axis=1) for m in maps]


def _single(graph: Graph, model: Classifier, features: Sequence[str]) -> Outputs:
    return Outputs(_classify(graph, model.classifier, features[0]), "")


def _mean(graph: Graph, model: fusion.Mean, features: Sequence[str]) -> Outputs:
    count = len(features)
    shares = getattr(model, "scale_weights", (1.0 / count,) * count)
    parts = [
        graph.add("Mul", f, graph.constant(share))
        for f, share in zip(features, shares, strict=True)
    ]
    return Outputs(_classify(graph, model.classifier, graph.add("Sum", *parts)), "")


def _concatenation(graph: Graph, model: fusion.Concatenation, features: Sequence[str]) -> Outputs:
    together = graph.add("Concat", *features, axis=1)
    return Outputs(_classify(graph, model.classifier, together), "")


def _attention(graph: Graph, model: fusion.Attention, features: Sequence[str]) -> Outputs:
    weights = _weights(graph, model, features, _linear)
    mixed = _weigh(graph, weights, features)
    return Outputs(_classify(graph, model.classifier, mixed), weights)


def _spatial(graph: Graph, model: fusion.Spatial, features: Sequence[str]) -> Outputs:
    mixed, weights = features
    return Outputs(_classify(graph, model.classifier, mixed), weights)


_HEADS: dict[type, Callable[..., Outputs]] = {
    Classifier: _single,
    fusion.Mean: _mean,
    fusion.Fixed: _mean,
    fusion.Concatenation: _concatenation,
    fusion.Attention: _attention,
    fusion.Spatial: _spatial,
}


def _branches(graph: Graph, model, pixels: Pixels) -> list[str]:
    networks = list(model.branches)
    networks *= len(model.front_ends) // len(networks)  # a shared one sees every view
    names = distinct([front_end.name for front_end in model.front_ends])
    maps = []
    for name, network, front_end in zip(names, networks, model.front_ends, strict=True):
        with graph.part(f"branch {name}"):
            maps.append(_resnet(graph, network, (front_end,), pixels))
    return maps


def _weights(
    graph: Graph,
    model: fusion.Attention | fusion.Spatial,
    values: Sequence[str],
    linear: Callable[..., str],
) -> str:
    """The attention's softmax over the scales: per image or, of maps, per position."""
    with graph.part("attention"):
        together = graph.add("Concat", *values, axis=1)
        hidden = graph.add("Relu", linear(graph, model.attention_hidden, together))
        return graph.add("Softmax", linear(graph, model.attention_out, hidden), axis=1)


def _weigh(graph: Graph, weights: str, values: Sequence[str]) -> str:
    """The sum of values ``[n, f, ...]``, each times its column of weights ``[n, scales, ...]``."""
    parts = []
    for index, value in enumerate(values):
        column = graph.add("Gather", weights, graph.constant([index], np.int64), axis=1)
        parts.append(graph.add("Mul", value, column))
    return graph.add("Sum", *parts)


def _linear(graph: Graph, layer: nnx.Linear, features: str) -> str:
    kernel, bias = graph.constant(layer.kernel[...]), graph.constant(layer.bias[...])
    return graph.add("Add", graph.add("MatMul", features, kernel), bias)


def _linear_of_maps(graph: Graph, layer: nnx.Linear, maps: str) -> str:
    kernel = np.asarray(layer.kernel[...]).T[:, :, None, None]
    return graph.add("Conv", maps, graph.constant(kernel), graph.constant(layer.bias[...]))


def _classify(graph: Graph, classifier: nnx.Linear, features: str) -> str:
    axis = graph.constant([1], np.int64)
    with graph.part("classifier"):
        return graph.add("Squeeze", _linear(graph, classifier, features), axis)


def _resnet(graph: Graph, network: ResNet, views: Sequence[FrontEnd], pixels: Pixels) -> str:
    with graph.part("stem"):
        x = _stem(graph, network, views, pixels)
        if network.shape.pool:
            x = graph.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for number, stage in enumerate(network.stages, start=1):
        for place, block in enumerate(stage):
            with graph.part(f"stage {number}/block {place}"):
                x = _block(graph, block, x)
    return x


def _stem(graph: Graph, network: ResNet, views: Sequence[FrontEnd], pixels: Pixels) -> str:
    """The first convolution on all views, normalised and above zero."""
    parts = [add_view(graph, view, pixels) for view in views]
    x = parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)
    scale = np.concatenate([view.scale for view in views])
    kernel = np.asarray(network.conv1.kernel[...], np.float64) * scale[:, None]
    pads = [network.conv1.padding] * 4
    return graph.add("Relu", _convolution(graph, x, kernel, network.bn1, 2, pads))


def _block(graph: Graph, block: Bottleneck | BasicBlock, x: str) -> str:
    shortcut = x
    if block.projection is not None:
        layer, norm = block.projection.conv, block.projection.bn
        shortcut = _normalised(graph, "shortcut", layer, norm, x, block.stride)
    bottleneck = isinstance(block, Bottleneck)
    strides = (1, block.stride) if bottleneck else (block.stride, 1)
    y = graph.add("Relu", _normalised(graph, "conv 1", block.conv1, block.bn1, x, strides[0]))
    y = _normalised(graph, "conv 2", block.conv2, block.bn2, y, strides[1])
    if bottleneck:
        y = graph.add("Relu", y)
        y = _normalised(graph, "conv 3", block.conv3, block.bn3, y, 1)
    return graph.add("Relu", graph.add("Add", y, shortcut))


def _normalised(
    graph: Graph,
    name: str,
    layer: layers.Convolution | layers.Pointwise,
    norm: layers.BatchNorm,
    x: str,
    stride: int,
) -> str:
    kernel, padding = np.asarray(layer.kernel[...], np.float64), 0
    if isinstance(layer, layers.Pointwise):
        kernel = kernel[None, None]
    else:
        padding = layer.padding
    with graph.part(name):
        return _convolution(graph, x, kernel, norm, stride, [padding] * 4)


def _convolution(
    graph: Graph, x: str, kernel: np.ndarray, norm: layers.BatchNorm, stride: int, pads: list[int]
) -> str:
    """A convolution with kernel float64 ``[k, k, in, out]`` and the normalisation after it."""
    mean, variance, scale, bias = (
        np.asarray(v[...], np.float64) for v in (norm.mean, norm.var, norm.scale, norm.bias)
    )
    factor = scale / np.sqrt(variance + norm.epsilon)
    weights = (kernel * factor).transpose(3, 2, 0, 1)
    return graph.add(
        "Conv",
        x,
        graph.constant(weights),
        graph.constant(bias - mean * factor),
        kernel_shape=list(weights.shape[2:]),
        strides=[stride, stride],
        pads=pads,
    )
