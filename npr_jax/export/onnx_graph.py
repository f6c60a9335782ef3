"""Builds an ONNX graph node by node, with ``onnx.helper`` alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Read by ONNX Runtime since 1.12 (2022) and all its relatives.
OPSET, IR_VERSION = 17, 8


class Graph:
    """Nodes and numbers; values are known by the names that ``add`` and ``constant`` return.

    A node is called by the parts of the network that it lies in and its operator, as
    ``branch 0.5/stage 1/block 0/conv 2/Conv``; so is what it puts out, if nothing else is said.
    """

    def __init__(self, parent: Graph | None = None):
        """``parent``: the graph in whose branch this one is; its values can be used here."""
        self._nodes: list[onnx.NodeProto] = []
        self._root: Graph = parent._root if parent else self
        self._constants: dict[tuple, str] = {}
        self._initializers: list[onnx.TensorProto] = []
        self._parts: list[str] = []
        self._counts: dict[str, int] = {}

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What is added inside belongs to the part of that name of the part around it."""
        parts = self._root._parts
        parts.append(name)
        try:
            yield
        finally:
            parts.pop()

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """A number or array that is part of the file, once, however often it is asked for."""
        array = np.ascontiguousarray(np.asarray(value, dtype)).reshape(np.shape(value))
        root = self._root
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in root._constants:
            name = f"c{len(root._constants)}"
            root._constants[key] = name
            root._initializers.append(numpy_helper.from_array(array, name))
        return root._constants[key]

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

    def choose(self, condition: str, first: Graph, one: str, second: Graph, other: str) -> str:
        """``one`` of the branch ``first`` where the condition holds, else ``other``."""
        return self.add(
            "If",
            condition,
            then_branch=first._branch("then", one),
            else_branch=second._branch("else", other),
        )

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

    def _branch(self, name: str, output: str) -> onnx.GraphProto:
        # Its shape is known from inside; only the name is wanted here.
        info = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
        return helper.make_graph(self._nodes, name, [], [info])

    def _new_name(self, operator: str) -> str:
        root = self._root
        path = "/".join([*root._parts, operator])
        root._counts[path] = count = root._counts.get(path, 0) + 1
        return path if count == 1 else f"{path} {count}"
