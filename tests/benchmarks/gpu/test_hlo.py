"""Transposes beside convolutions are found in the text of a compiled program."""

import jax
import jax.numpy as jnp
import pytest

from benchmarks.gpu import hlo, layouts

# As XLA writes a program for NVIDIA GPUs: cuDNN's calls, fusions, results in tuples.
PROGRAM = """\
HloModule jit_step, is_scheduled=true, entry_computation_layout={(bf16[8,64,56,56]{3,2,1,0})->f32[]}

%to_nhwc (param_0: bf16[8,64,56,56]) -> bf16[8,56,56,64] {
  %param_0 = bf16[8,64,56,56]{3,2,1,0} parameter(0)
  ROOT %transpose.1 = bf16[8,56,56,64]{3,2,1,0} transpose(%param_0), dimensions={0,2,3,1}
}

%fused_relu (param_0.1: bf16[8,56,56,64]) -> bf16[8,56,56,64] {
  %param_0.1 = bf16[8,56,56,64]{3,2,1,0} parameter(0)
  %transpose.2 = bf16[8,56,64,56]{3,2,1,0} transpose(%param_0.1), dimensions={0,1,3,2}
  ROOT %tanh.1 = bf16[8,56,56,64]{3,2,1,0} tanh(%param_0.1)
}

ENTRY %main.10 (images.1: bf16[8,64,56,56], kernel.1: bf16[64,3,3,64]) -> bf16[8,56,56,64] {
  %images.1 = bf16[8,64,56,56]{3,2,1,0} parameter(0), metadata={op_name="images"}
  %kernel.1 = bf16[64,3,3,64]{3,2,1,0} parameter(1)
  %before = bf16[8,56,56,64]{3,2,1,0} fusion(%images.1), kind=kInput, calls=%to_nhwc
  %cudnn-conv.1 = (bf16[8,56,56,64]{3,2,1,0}, u8[1024]{0}) custom-call(%before, %kernel.1), \
window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_o01i->b01f, custom_call_target="__cudnn$convForward"
  %get-tuple-element.1 = bf16[8,56,56,64]{3,2,1,0} get-tuple-element(%cudnn-conv.1), index=0
  %after = bf16[8,56,56,64]{3,2,1,0} fusion(%get-tuple-element.1), kind=kLoop, calls=%fused_relu
  %same = bf16[8,56,56,64]{3,2,1,0} copy(%after)
  %cudnn-conv.2 = (bf16[8,56,56,64]{3,2,1,0}, u8[0]{0}) custom-call(%same, %kernel.1), \
window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_o01i->b01f, custom_call_target="__cudnn$convForward"
  %get-tuple-element.2 = bf16[8,56,56,64]{3,2,1,0} get-tuple-element(%cudnn-conv.2), index=0
  ROOT %other = bf16[8,56,56,64]{0,3,2,1} copy(%get-tuple-element.2)
}
"""


def test_only_what_changes_the_order_of_activations_counts():
    """The fusion before the first, the copy after the second; the copy between changes nothing."""
    found = {line.what: line for line in layouts.look(PROGRAM)}
    megabytes = 8 * 56 * 56 * 64 * 2 / 1e6
    assert found["convolutions in the compiled step"].found == "2"
    beside = found["activations put in another order beside them"]
    assert (beside.found, beside.met) == ("2", False)
    assert float(found["megabytes of these"].found) == pytest.approx(2 * megabytes, rel=0.01)


def test_a_compiled_program_is_read_as_it_is():
    """XLA's own text: two convolutions, whatever it made of them, and their activations' bytes."""

    def two(images, kernel):
        for _ in range(2):
            images = jax.lax.conv_general_dilated(
                images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
        return images

    images, kernel = jnp.zeros((2, 8, 8, 3)), jnp.zeros((3, 3, 3, 3))
    module = hlo.parse(jax.jit(two).lower(images, kernel).compile().as_text())
    found = [
        instruction
        for instructions in module.values()
        for instruction in instructions.values()
        if instruction.opcode != "fusion" and hlo.convolves(module, instruction)
    ]
    assert len(found) == 2
    assert {instruction.bytes for instruction in found} == {2 * 8 * 8 * 3 * 4}
