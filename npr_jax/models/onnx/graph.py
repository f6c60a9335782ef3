"""Builds an ONNX graph node by node, with ``onnx.helper`` alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

# Read by ONNX Runtime since 1.12 (2022) and all its relatives.
OPSET, IR_VERSION = 17, 8


class Graph:
    """Nodes and numbers; values are known by the names that ``add`` and ``constant`` return.

    A node is called by the parts of the network that it lies in and its operator, as
    ``branch 0.5/stage 1/block 0/conv 2/Conv``; so is what it puts out, if nothing else is said.
    """

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[tuple, str] = {}
        self._initializers: list[onnx.TensorProto] = []
        self._parts: list[str] = []
        self._counts: dict[str, int] = {}

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What is added inside belongs to the part of that name of the part around it."""
        self._parts.append(name)
        try:
            yield
        finally:
            self._parts.pop()

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """A number or array that is part of the file, once, however often it is asked for."""
        array = np.ascontiguousarray(np.asarray(value, dtype)).reshape(np.shape(value))
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = name = f"c{len(self._constants)}"
            self._initializers.append(numpy_helper.from_array(array, name))
        return self._constants[key]

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Adds a node of one output; returns the output's name."""
        name = self._new_name(operator)
        output = output or name
        node = helper.make_node(operator, list(inputs), [output], name=name, **attributes)
        self._nodes.append(node)
        return output

    def cast(self, value: str, dtype: int) -> str:
        """``value`` as a ``TensorProto`` dtype."""
        return self.add("Cast", value, to=dtype)

    def model(
        self,
        name: str,
        inputs: Iterable[onnx.ValueInfoProto],
        outputs: Iterable[onnx.ValueInfoProto],
        properties: dict[str, str],
    ) -> onnx.ModelProto:
        """The whole as a model that the ONNX checker has passed."""
        graph = helper.make_graph(
            self._nodes, name, list(inputs), list(outputs), self._initializers
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="npr_jax",
        )
        helper.set_model_props(model, properties)
        onnx.checker.check_model(model, full_check=True)
        return model

    def _new_name(self, operator: str) -> str:
        path = "/".join([*self._parts, operator])
        self._counts[path] = count = self._counts.get(path, 0) + 1
        return path if count == 1 else f"{path} {count}"
