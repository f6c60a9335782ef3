#!/usr/bin/env bash
# onnxconverter-common: float16 with float32 inputs and outputs breaks a model that has an `If`.
#
# A good guess: `convert_float_to_float16(model, keep_io_types=True)` gives a model that loads, with
# a Cast after each input and before each output, whatever lies between them.
# What happens: the branches of an `If` may read tensors of the graph around them. Their weights
# become float16, but an input that only they read gets no Cast: inside, float32 meets float16, and
# the converted model is invalid. Without keep_io_types the same model converts and runs.
# What it costs: a detector whose stem depends on the picture's size cannot be halved this way.
#
# Source: measured; onnx's own checker agrees with ONNX Runtime.
# Seen on 2026-11-28 with onnxconverter-common 1.16.0, onnx 1.23.2, onnxruntime 1.32.0, Python 3.11:
#   float32: 2.0
#   float16 throughout: 2.0
#   float16 with float32 outside: ShapeInferenceError of onnx; ONNX Runtime: Type parameter (T) of
#   Optype (Mul) bound to different types (tensor(float) and tensor(float16)
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" --disable-pip-version-check install --quiet --no-compile \
  onnxconverter-common==1.16.0 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$scratch"
venv/bin/python -I -W ignore - <<'PY'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxconverter_common import float16


def branch(weight):
    """The graph's input times a weight of the graph around."""
    out = f"times_{weight}"
    value = helper.make_tensor_value_info(out, TensorProto.FLOAT, ["n"])
    return helper.make_graph([helper.make_node("Mul", ["x", weight], [out])], out, [], [value])


choice = helper.make_node(
    "If", ["flag"], ["y"], then_branch=branch("two"), else_branch=branch("three")
)
graph = helper.make_graph(
    [choice],
    "choice",
    [helper.make_tensor_value_info("flag", TensorProto.BOOL, []),
     helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])],
    [numpy_helper.from_array(np.float32(v), n) for n, v in (("two", 2), ("three", 3))],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def outcome(candidate, dtype):
    try:
        onnx.checker.check_model(candidate, full_check=True)
        valid = True
    except onnx.shape_inference.InferenceError:
        valid = False
    try:
        session = onnxruntime.InferenceSession(
            candidate.SerializeToString(), providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        return valid, str(error).split("Type Error: ")[-1]
    return valid, session.run(None, {"flag": np.array(True), "x": np.ones(1, dtype)})[0].item()


plain = outcome(model, np.float32)
half = outcome(float16.convert_float_to_float16(model), np.float16)
mixed = outcome(float16.convert_float_to_float16(model, keep_io_types=True), np.float32)
for name, (valid, said) in {
    "float32": plain, "float16 throughout": half, "float16 with float32 outside": mixed
}.items():
    print(f"{name}: {'valid' if valid else 'invalid'}; {said}")

assert plain == half == (True, 2.0), "one of the models that work no longer does"
assert not mixed[0] and "different types" in str(mixed[1]), "the converter treats If otherwise now"
PY
