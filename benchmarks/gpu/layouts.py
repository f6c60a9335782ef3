"""Whether XLA transposes activations around the convolutions of the training step.

    python -m benchmarks.gpu.layouts --json=FILE [--batch=256 --side=224]

The compiled step's optimised HLO is read. A convolution is XLA's instruction, a call of cuDNN or a
fusion that holds one; beside it stand the instructions whose results it reads and those that read
its own. Transposes and copies among them, or fusions whose result is one, put activations or
kernels in another order and compute nothing; those of kernels are small, which is why bytes are
given too.
"""

import argparse
import pathlib

import jax
import numpy as np

from benchmarks.gpu import finding, hlo
from benchmarks.step import recipe
from npr_jax.training.step import make_train_step
from npr_jax.training.train_state import init_train_state

# Bytes. The largest kernel, 3x3 over 128 channels in float32, has 0.6 MB.
ACTIVATION = 10**6


def compiled_step(batch: int, side: int, dtype: str) -> str:
    """The optimised HLO of the product's training step."""
    config = recipe(dtype, batch, side)
    model, optimizer, state = init_train_state(config, steps_per_epoch=1000)
    step = make_train_step(config, model, optimizer)
    data = {
        "image": jax.ShapeDtypeStruct((batch, side, side, 3), np.uint8),
        "label": jax.ShapeDtypeStruct((batch,), np.int32),
        "mask": jax.ShapeDtypeStruct((batch,), np.float32),
    }
    # Jitted once more only to be compiled without being run.
    return jax.jit(step, donate_argnums=0).lower(state, data).compile().as_text() or ""


def look(text: str) -> list[finding.Finding]:
    """What stands around the convolutions."""
    module = hlo.parse(text)
    convolutions, movers, moved = 0, {}, 0
    for instructions in module.values():
        for instruction in instructions.values():
            if hlo.moves_layout(module, instructions, instruction):
                moved += instruction.bytes
            if not hlo.convolves(module, instruction):
                continue
            convolutions += instruction.opcode != "fusion"  # what is inside counts
            for other in hlo.beside(instructions, instruction):
                if hlo.moves_layout(module, instructions, other):
                    movers[other.name] = other.bytes
    large = [size for size in movers.values() if size >= ACTIVATION]
    return [
        finding.fact("convolutions in the compiled step", convolutions),
        finding.at_most("activations put in another order beside them", len(large), 0),
        finding.fact("megabytes of these", sum(large) / 1e6),
        finding.fact("megabytes of all transposes and copies", moved / 1e6),
    ]


def main() -> None:
    """Compiles, looks and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", required=True, help="file for the results")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--side", type=int, default=224, help="pixels")
    parser.add_argument("--dtype", default="bfloat16", choices=("float32", "bfloat16"))
    parser.add_argument("--text", type=pathlib.Path, help="file for the HLO itself")
    flags = parser.parse_args()
    text = compiled_step(flags.batch, flags.side, flags.dtype)
    if flags.text:
        flags.text.write_text(text)
    finding.write(flags.json, look(text))


if __name__ == "__main__":
    main()
