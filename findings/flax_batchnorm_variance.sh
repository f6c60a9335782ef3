#!/usr/bin/env bash
# Flax and torch: the same batch norm, fed the same batches, arrives at another running variance.
#
# A good guess: with the momenta converted (Flax's 0.9 is torch's 0.1) and the same epsilon, a
# network ported from PyTorch to Flax keeps the same running statistics in training.
# What happens: both normalise a batch by its biased variance, but torch puts the unbiased one into
# the running average, larger by n / (n - 1) for n values per channel; Flax takes the biased one
# for both.
# What it costs: nothing to speak of in early layers, where n is large. Where few values are left, as
# in a small batch of vectors, evaluation differs: by 15 % of the deviation for n = 4.
#
# Source: torch's documentation says so of itself; Flax's is silent. Measured.
# Seen on 2026-11-28 with flax 0.12.8, jax 0.10.2, torch 2.13.0, Python 3.11; after 200 batches of 4:
#   batch variance 1.0; flax 1; torch 1.3333
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" --disable-pip-version-check install --quiet --no-compile \
  flax==0.12.8 jax==0.10.2 jaxlib==0.10.2 torch==2.13.0 numpy==2.4.6
cd "$scratch"
JAX_PLATFORMS=cpu venv/bin/python -I -W ignore - <<'PY'
import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx

batch = np.array([[-1.0], [-1.0], [1.0], [1.0]], np.float32)
ours = nnx.BatchNorm(1, momentum=0.9, epsilon=1e-5, rngs=nnx.Rngs(0))
theirs = torch.nn.BatchNorm1d(1, momentum=0.1, eps=1e-5).train()
for _ in range(200):
    in_flax, in_torch = ours(jnp.asarray(batch)), theirs(torch.from_numpy(batch))
in_flax, in_torch = np.asarray(in_flax), in_torch.detach().numpy()
flax_variance, torch_variance = float(ours.var[0]), float(theirs.running_var[0])
print(f"batch variance {batch.var()}; flax {flax_variance:.4g}; torch {torch_variance:.5g}")

assert np.allclose(in_flax, in_torch, atol=1e-6), "in training they normalise differently now"
assert abs(flax_variance - 1) < 1e-4, "Flax's running variance is otherwise now"
assert abs(torch_variance - 4 / 3) < 1e-4, "torch's running variance is otherwise now"
PY
