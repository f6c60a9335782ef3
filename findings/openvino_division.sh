#!/usr/bin/env bash
# OpenVINO's CPU plugin: a number divided by itself is not always 1.
#
# A good guess: `Div` of an ONNX file is IEEE division in each runtime that computes in float32, so
# `Floor(Div(x, x))` is 1. ONNX says that Div is element-wise division and leaves no room for less.
# What happens: OpenVINO multiplies by the rounded reciprocal, whether the divisor is an input or a
# constant, and also with the precision and the execution mode set to the most exact. 77 of the
# whole numbers from 1 to 600 come out just below 1, and Floor makes 0 of them.
# What it costs: whatever computes an index or a size by division is off by one at some sizes.
# (A detector that finds its reference pixels this way saw other pixels at 29 to 59 of 568 sizes.)
#
# Source: measured. The reciprocal explains each of the 77 numbers, which the script checks.
# Seen on 2026-11-28 with openvino 2026.4.1, onnxruntime 1.32.0, onnx 1.23.2, Python 3.11, x86-64:
#   onnxruntime 1.32.0: 0 of 600 are not 1
#   openvino 2026.4.1: 77 of 600 are not 1, the first 41, 47, 55
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" --disable-pip-version-check install --quiet --no-compile \
  openvino==2026.4.1 onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cd "$scratch"
venv/bin/python -I - <<'PY'
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper

numbers = np.arange(1, 601, dtype=np.float32)
feed = {"a": numbers, "b": numbers}
graph = helper.make_graph(
    [helper.make_node("Div", ["a", "b"], ["quotient"]),
     helper.make_node("Floor", ["quotient"], ["whole"])],
    "division",
    [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in feed],
    [helper.make_tensor_value_info("whole", TensorProto.FLOAT, ["n"])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model, full_check=True)
content = model.SerializeToString()

session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
expected = session.run(None, feed)[0]
core = openvino.Core()
exact = {"INFERENCE_PRECISION_HINT": "f32", "EXECUTION_MODE_HINT": "ACCURACY"}
found = core.compile_model(core.read_model(content), "CPU", exact)(feed)["whole"]

wrong = numbers[found != 1].astype(int)
print(f"onnxruntime {onnxruntime.__version__}: {(expected != 1).sum()} of 600 are not 1")
print(f"openvino 2026.4.1: {len(wrong)} of 600 are not 1, the first {wrong[:3].tolist()}")

assert (expected == 1).all(), "ONNX Runtime no longer divides exactly"
reciprocal = np.floor(numbers * (np.float32(1) / numbers))
assert (found == reciprocal).all() and len(wrong) == 77, "OpenVINO divides in another way now"
PY
