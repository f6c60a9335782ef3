#!/usr/bin/env bash
# jax.image.resize and torch's interpolate: "nearest" at half the size, and no pixel in common.
#
# A good guess: nearest neighbour at exactly half the size is one thing, at most with a tie to break
# here and there, so that a PyTorch model ported to JAX sees the same pixels.
# What happens: torch's "nearest" takes floor(i * scale), the first of each pair; JAX measures from
# pixel centres and takes the second. What JAX calls "nearest" is torch's "nearest-exact".
# What it costs: an operator that subtracts the nearest pixel (down by half and up again) refers to
# another corner of each block, and a network trained on one sees noise from the other.
#
# Source: torch's documentation says of "nearest-exact" that it, and not "nearest", matches other
# libraries; JAX's says only "nearest neighbor interpolation". Pixels measured.
# Seen on 2026-11-28 with jax 0.10.2, torch 2.13.0, Python 3.11:
#   jax nearest [1, 3, 5, 7]; torch nearest [0, 2, 4, 6]; torch nearest-exact [1, 3, 5, 7]
#   8 to 4 pixels and back, as differences: jax [-1, 0, -1, 0, -1, 0, -1, 0],
#   torch [0, 1, 0, 1, 0, 1, 0, 1]
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" --disable-pip-version-check install --quiet --no-compile \
  jax==0.10.2 jaxlib==0.10.2 torch==2.13.0 numpy==2.4.6
cd "$scratch"
JAX_PLATFORMS=cpu venv/bin/python -I -W ignore - <<'PY'
import jax
import numpy as np
import torch

pixels = np.arange(8, dtype=np.float32)


def with_jax(values, size):
    return np.asarray(jax.image.resize(values, (size,), "nearest"))


def with_torch(values, size, mode="nearest"):
    batch = torch.from_numpy(values)[None, None]
    return torch.nn.functional.interpolate(batch, size=size, mode=mode)[0, 0].numpy()


def whole(values):
    return values.astype(int).tolist()


half = [with_jax(pixels, 4), with_torch(pixels, 4), with_torch(pixels, 4, "nearest-exact")]
half = [whole(values) for values in half]
print(f"jax nearest {half[0]}; torch nearest {half[1]}; torch nearest-exact {half[2]}")
back = [whole(pixels - f(f(pixels, 4), 8)) for f in (with_jax, with_torch)]
print(f"8 to 4 pixels and back, as differences: jax {back[0]}, torch {back[1]}")

assert half == [[1, 3, 5, 7], [0, 2, 4, 6], [1, 3, 5, 7]], "the rules have changed"
assert back == [[-1, 0] * 4, [0, 1] * 4], "the residuals have changed"
PY
