"""What bounds a training step on this CPU: its convolutions one by one, beside PyTorch's.

    OMP_NUM_THREADS=1 python -m benchmarks.roofline [--batch=16] [--side=224] [--rounds=3]

NPR's network in float32. Each different convolution of it is timed alone, forward and for either
derivative, as our model computes it and as PyTorch does (channels_last); then the whole step of
both. Times are processor seconds, the best of the rounds, so that other work on the machine counts
little. What a step takes beyond its convolutions is normalisation, activations, pooling and Adam,
which are bound by memory: the bytes that XLA counts are those that each of its kernels reads and
writes, whether memory or a cache holds them. Beside it, as marks and not as bounds: a product of
matrices and a pass over memory, as fast as either has them.
"""

from __future__ import annotations

import argparse
import collections
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import torch

from benchmarks.processor import processor_name
from benchmarks.step import our_train, recipe
from benchmarks.torch_npr import Normalize, TorchNPR
from benchmarks.torch_step import KEEP_FREED_MEMORY, TorchProcess, Work, random_images
from npr_jax.cli import host
from npr_jax.models import derivatives
from npr_jax.training.step import make_train_step
from npr_jax.training.train_state import init_train_state

PASSES = ("forward", "input's", "kernel's")
MATRIX, COPIED = 2048, 2**26  # rows and columns; numbers


class Shape(NamedTuple):
    """A convolution: its input's side and channels, its output's channels, kernel and stride."""

    side: int
    inputs: int
    outputs: int
    kernel: int
    stride: int

    def flops(self, batch: int) -> int:
        """Of one pass; each of the three has as many."""
        rows = -(-self.side // self.stride)
        return 2 * batch * rows**2 * self.inputs * self.outputs * self.kernel**2


def shapes_of(batch: int, side: int) -> collections.Counter[Shape]:
    """NPR's convolutions, and how often each is there."""
    model, found = torch.nn.Sequential(Normalize(), TorchNPR()), collections.Counter[Shape]()

    def note(layer: Any, images: tuple[torch.Tensor], _: torch.Tensor) -> None:
        """Counts a convolution that the network goes through."""
        found[
            Shape(
                images[0].shape[-1],
                layer.in_channels,
                layer.out_channels,
                layer.kernel_size[0],
                layer.stride[0],
            )
        ] += 1

    for layer in model.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(note)
    model(torch.from_numpy(random_images(batch, side)).permute(0, 3, 1, 2))
    return found


def ours(shape: Shape, batch: int) -> dict[str, Callable[[], object]]:
    """The passes of a convolution as our layers compute them."""

    def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
        if shape.kernel > 1:
            return derivatives.convolution(x, kernel, shape.stride, shape.kernel // 2)
        strided = x[:, :: shape.stride, :: shape.stride] if shape.stride > 1 else x
        return derivatives.convolution_1x1(strided, kernel[0, 0])

    x = jnp.ones((batch, shape.side, shape.side, shape.inputs))
    kernel = jnp.ones((shape.kernel, shape.kernel, shape.inputs, shape.outputs))
    forward = jax.jit(convolve)
    cotangent = forward(x, kernel)
    of_input = jax.jit(lambda x, k, c: jax.vjp(lambda x: convolve(x, k), x)[1](c))
    of_kernel = jax.jit(lambda x, k, c: jax.vjp(lambda k: convolve(x, k), k)[1](c))
    return {
        "forward": lambda: forward(x, kernel).block_until_ready(),
        "input's": lambda: jax.block_until_ready(of_input(x, kernel, cotangent)),
        "kernel's": lambda: jax.block_until_ready(of_kernel(x, kernel, cotangent)),
    }


def theirs(shape: Shape, batch: int) -> dict[str, Callable[[], object]]:
    """The same of PyTorch."""
    last = torch.channels_last
    x = torch.ones(batch, shape.inputs, shape.side, shape.side).to(memory_format=last)
    kernel = torch.ones(shape.outputs, shape.inputs, shape.kernel, shape.kernel)
    kernel = kernel.to(memory_format=last)
    stride, padding = shape.stride, shape.kernel // 2
    cotangent = torch.nn.functional.conv2d(x, kernel, None, stride, padding)

    def backward(*which: bool) -> object:
        around = ([stride] * 2, [padding] * 2, [1] * 2, False, [0] * 2, 1)
        return torch.ops.aten.convolution_backward(cotangent, x, kernel, None, *around, which)

    return {
        "forward": lambda: torch.nn.functional.conv2d(x, kernel, None, stride, padding),
        "input's": lambda: backward(True, False, False),
        "kernel's": lambda: backward(False, True, False),
    }


def processor_seconds(run: Callable[[], object], rounds: int) -> float:
    """The least of the rounds, after one that does not count."""
    run()
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        taken.append(time.process_time() - start)
    return min(taken)


def marks(rounds: int) -> str:
    """How fast a large product of matrices and a pass over memory are here."""
    square, long = jnp.ones((MATRIX, MATRIX)), jnp.ones(COPIED)
    product, plus_one = jax.jit(jnp.matmul), jax.jit(lambda x: x + 1)
    of_torch = torch.ones(MATRIX, MATRIX)
    products = [
        processor_seconds(lambda: product(square, square).block_until_ready(), rounds),
        processor_seconds(lambda: of_torch @ of_torch, rounds),
    ]
    copy = processor_seconds(lambda: plus_one(long).block_until_ready(), rounds)
    gflops = 2e-9 * MATRIX**3 / min(products)
    return f"{gflops:.0f} GFLOP/s in a product, {8e-9 * COPIED / copy:.1f} GB/s in a pass"


def gigabytes(batch: int, side: int) -> float:
    """What the kernels of our training step read and write, by XLA's count."""
    config = recipe("float32", batch, side)
    model, optimizer, state = init_train_state(config, steps_per_epoch=1000)
    data = {
        "image": random_images(batch, side),
        "label": np.arange(batch, dtype=np.int32) % 2,
        "mask": np.ones(batch, np.float32),
    }
    compiled = jax.jit(make_train_step(config, model, optimizer)).lower(state, data).compile()
    return (compiled.cost_analysis() or {})["bytes accessed"] * 1e-9


def main() -> None:
    """Prints a line for each convolution, and what the step takes with and without them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    batch, rounds = options.batch, options.rounds
    host.keep_freed_memory()
    torch.set_num_threads(1)
    print(f"{processor_name()}; {marks(rounds)}; batch {batch}, {options.side} pixels, float32")
    print("GFLOP/s, ours then PyTorch's" + "".join(f"{name:>16s}" for name in PASSES))
    in_all: np.ndarray = np.zeros(2)
    flops = 0
    for shape, count in shapes_of(batch, options.side).items():
        cells = []
        sides = ours(shape, batch), theirs(shape, batch)
        for name in PASSES:
            if name == "input's" and shape.inputs == 3:  # nothing learns from pixels
                cells.append("")
                continue
            taken = np.array([processor_seconds(side[name], rounds) for side in sides])
            in_all += count * taken
            flops += count * shape.flops(batch)
            cells.append(" {:.0f}, {:.0f}".format(*shape.flops(batch) * 1e-9 / taken))
        what = f"{count} of {shape.kernel}x{shape.kernel} {shape.inputs}-{shape.outputs}"
        how = f" at {shape.side}, stride {shape.stride}"
        print(f"{what + how:28s}" + "".join(f"{cell:>16s}" for cell in cells), flush=True)
    peer = TorchProcess(KEEP_FREED_MEMORY)
    try:
        work = Work("train", batch, options.side)
        step = our_train("float32", batch, options.side)
        whole = [processor_seconds(lambda: step(1), rounds)]
        answers = [peer.answer(work, threads=1) for _ in range(rounds + 1)]
        whole.append(min(answer["processor_seconds"] for answer in answers))
    finally:
        peer.close()
    for name, a_step, convolutions in zip(("ours", "PyTorch"), whole, in_all, strict=True):
        print(
            f"{name}: {a_step:.2f} s a step, {flops * 1e-9 / a_step:.0f} GFLOP/s; its convolutions "
            f"alone {convolutions:.2f} s, {flops * 1e-9 / convolutions:.0f} GFLOP/s"
        )
    print(f"XLA counts {gigabytes(batch, options.side):.1f} GB that a step reads and writes")


if __name__ == "__main__":
    main()
