"""Networks as ONNX graphs, node by node, from the same modules that Flax runs."""
