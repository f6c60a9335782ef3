"""What derivatives written by hand bring: a training step with those that JAX makes by itself.

    OMP_NUM_THREADS=1 python -m benchmarks.derived [--batch=16] [--side=224] [--rounds=3]

NPR's network in float32: as it is, then with one function of npr_jax/models/derivatives.py after
the other left to JAX, then all of them. Times are processor seconds, the best of the rounds, so
that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from unittest import mock

from benchmarks.processor import processor_name
from benchmarks.roofline import processor_seconds
from benchmarks.step import our_train
from npr_jax.cli import host
from npr_jax.models import derivatives

FUNCTIONS = ("convolution", "convolution_1x1", "max_pool_3x3", "normalize_batch", "relu")


def seconds_a_step(left_to_jax: Sequence[str], batch: int, side: int, rounds: int) -> float:
    """Of a step in which JAX derives these of ``FUNCTIONS``."""
    with contextlib.ExitStack() as stack:
        for name in left_to_jax:
            plain = getattr(derivatives, name).fun  # without the derivative that belongs to it
            stack.enter_context(mock.patch.object(derivatives, name, plain))
        step = our_train("float32", batch, side)
        return processor_seconds(lambda: step(1), rounds)


def main() -> None:
    """Prints a line for each variant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    host.keep_freed_memory()
    print(f"{processor_name()}; batch {options.batch}, {options.side} pixels, float32")
    for left in ((), *((name,) for name in FUNCTIONS), FUNCTIONS):
        what = {0: "all by hand", 1: f"{' '.join(left)} by JAX"}.get(len(left), "all by JAX")
        seconds = seconds_a_step(left, options.batch, options.side, options.rounds)
        print(f"{what}: {seconds:.2f} s a step", flush=True)


if __name__ == "__main__":
    main()
