"""The roofline benchmark times what it says: NPR's convolutions, all of them, and their passes."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the torch extra")
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from benchmarks import roofline  # noqa: E402
from benchmarks.torch_npr import TorchNPR  # noqa: E402


def test_convolutions_are_the_network_s_by_pytorch_s_own_count():
    with FlopCounterMode(display=False) as counted:
        TorchNPR()(torch.rand(2, 3, 64, 64))
    counts = counted.get_flop_counts()["Global"]
    expected = sum(n for operation, n in counts.items() if "convolution" in str(operation))
    found = roofline.shapes_of(2, 64)
    assert sum(count * shape.flops(2) for shape, count in found.items()) == expected


@pytest.mark.parametrize(
    "shape", [roofline.Shape(16, 8, 4, 3, 1), roofline.Shape(16, 4, 8, 1, 2)], ids=str
)
def test_both_sides_compute_the_same_passes(shape):
    ours, theirs = (side(shape, 2) for side in (roofline.ours, roofline.theirs))
    forward, other = ours["forward"](), theirs["forward"]()
    np.testing.assert_allclose(forward, other.permute(0, 2, 3, 1), rtol=1e-6)
    [of_input], [of_kernel] = ours["input's"](), ours["kernel's"]()
    other = theirs["input's"]()[0].permute(0, 2, 3, 1)
    np.testing.assert_allclose(of_input, other, rtol=1e-6)
    other = theirs["kernel's"]()[1].permute(2, 3, 1, 0)
    np.testing.assert_allclose(of_kernel, other, rtol=1e-5)
