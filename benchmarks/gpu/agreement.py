"""Logits and gradients of the detector on the accelerator beside the CPU's.

    python -m benchmarks.gpu.agreement --json=FILE [--batch=8 --side=224]

The CPU computes in float32 with products in full precision: the reference. The accelerator computes
the same parameters and images in float32 as it comes (on an NVIDIA GPU convolutions then round
their factors to TF32), in float32 with full precision, and in bfloat16. Logits differ by the
largest absolute difference, gradients of the mean loss by |g - r| / |r| over all parameters.
Without an accelerator the CPU is compared with itself.
"""

import argparse
from typing import Any

import jax
import numpy as np
import optax
from flax import nnx

from benchmarks.gpu import finding
from benchmarks.step import recipe
from benchmarks.torch_step import random_images
from npr_jax.models.base import predict
from npr_jax.models.systems.registry import build_model

VARIANTS = {
    "float32, full precision": ("float32", "highest"),
    "float32 as it comes": ("float32", None),
    "bfloat16": ("bfloat16", None),
}
GOAL = 1e-4


def logits_and_gradients(
    device: jax.Device, dtype: str, precision: str | None, batch: int, side: int
) -> tuple[np.ndarray, np.ndarray]:
    """Logits in evaluation mode ``[b]``, and all gradients of a training step as one vector."""
    with jax.default_device(jax.devices("cpu")[0]):  # the same parameters everywhere
        model = build_model(recipe(dtype, batch, side).model, nnx.Rngs(params=0))
        graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    labels = np.arange(batch, dtype=np.float32) % 2

    def loss(params, rest, images):
        model = nnx.merge(graphdef, params, rest, copy=True)
        model.train()
        return optax.sigmoid_binary_cross_entropy(predict(model, images).logits, labels).mean()

    def logits(params, rest, images):
        model = nnx.merge(graphdef, params, rest, copy=True)
        model.eval()
        return predict(model, images).logits

    with jax.default_matmul_precision(precision), jax.default_device(device):
        inputs = jax.device_put((params, rest, random_images(batch, side)), device)
        gradients = jax.jit(jax.grad(loss))(*inputs)
        found: tuple[Any, Any] = jax.device_get((jax.jit(logits)(*inputs), gradients))
    flat = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(found[1])])
    return np.asarray(found[0], np.float64), flat.astype(np.float64)


def compare(batch: int, side: int) -> list[finding.Finding]:
    """Two lines for each variant; full precision in float32 has a goal."""
    reference = logits_and_gradients(jax.devices("cpu")[0], "float32", "highest", batch, side)
    findings = []
    for name, (dtype, precision) in VARIANTS.items():
        found = logits_and_gradients(jax.devices()[0], dtype, precision, batch, side)
        apart = float(np.abs(found[0] - reference[0]).max())
        error = float(np.linalg.norm(found[1] - reference[1]) / np.linalg.norm(reference[1]))
        for what, value in (("logits apart", apart), ("gradients, relative error", error)):
            label = f"{what}, {name}"
            full = precision == "highest"
            findings.append(
                finding.at_most(label, value, GOAL) if full else finding.fact(label, value)
            )
    return findings


def main() -> None:
    """Compares and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", required=True, help="file for the results")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--side", type=int, default=224, help="pixels")
    flags = parser.parse_args()
    findings = compare(flags.batch, flags.side)
    finding.write(flags.json, findings, batch=flags.batch, side=flags.side)


if __name__ == "__main__":
    main()
