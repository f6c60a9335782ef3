"""Up-sampling layers against PyTorch's own, and the footprint of one latent pixel."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from npr_jax.models.reconstruction.upsampling import KINDS, Upsampling, to_channels, to_pixels


def torch_peer(kind, x, kernel):
    """What PyTorch's layers make of ``[b, c, h, w]`` with our kernel ``[k, k, in, out]``."""
    ours = torch.tensor(np.asarray(kernel))
    correlated, transposed = ours.permute(3, 2, 0, 1), ours.permute(2, 3, 0, 1)
    if kind == "nearest":
        return F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), correlated, padding=1)
    if kind == "fir":
        large = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return F.conv2d(large, correlated, padding=1)
    if kind == "transposed3":
        return F.conv_transpose2d(x, transposed, stride=2, padding=1, output_padding=1)
    if kind == "transposed4":
        return F.conv_transpose2d(x, transposed, stride=2, padding=1)
    # Torch's shuffle wants the channels of the picture outside, ours has them inside.
    y = F.conv2d(x, correlated, padding=1)
    b, channels, h, w = y.shape
    y = y.reshape(b, 4, channels // 4, h, w).transpose(1, 2).reshape(b, channels, h, w)
    return F.pixel_shuffle(y, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_those_of_pytorch(kind):
    rng = np.random.default_rng(0)
    layer = Upsampling(kind, 3, 5, rng=rng)
    x = rng.normal(size=(2, 6, 4, 3)).astype(np.float32)
    ours = np.asarray(layer(x))
    peer = torch_peer(kind, torch.tensor(x.transpose(0, 3, 1, 2)), layer.kernel[...])
    peer = peer.permute(0, 2, 3, 1).numpy()
    assert ours.shape == peer.shape == (2, 12, 8, 5)
    # At the edges interpolation repeats there what is zero here.
    inside = slice(2, -2) if kind == "fir" else slice(None)
    np.testing.assert_allclose(ours[:, inside, inside], peer[:, inside, inside], atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "factor", "side"),
    [
        ("nearest", 2, 4),  # two equal pixels, a 3x3 convolution around them
        ("fir", 2, 6),  # the four taps of the filter, and the convolution
        ("transposed3", 2, 3),
        ("transposed4", 2, 4),
        ("shuffle", 2, 6),  # three small pixels of two each
        ("shuffle", 4, 12),
    ],
)
def test_one_latent_pixel_leaves_its_kinds_footprint(kind, factor, side):
    layer = Upsampling(kind, 1, 1, factor, rng=np.random.default_rng(0))
    layer.kernel[...] = np.ones_like(layer.kernel[...])
    impulse = np.zeros((1, 9, 9, 1), np.float32)
    impulse[0, 4, 4] = 1
    rows, columns = np.nonzero(np.asarray(layer(impulse))[0, :, :, 0])
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1, len(rows)) == (side, side, side**2)


def test_equal_latent_pixels_show_the_periodic_grid_of_transposed_convolutions_only():
    def rows_of(kind):
        layer = Upsampling(kind, 1, 1, rng=np.random.default_rng(0))
        layer.kernel[...] = np.ones_like(layer.kernel[...])
        return np.asarray(layer(np.ones((1, 9, 9, 1), np.float32)))[0, 4:-4, 8, 0]

    for kind in ("nearest", "fir", "transposed4"):
        assert np.ptp(rows_of(kind)) < 1e-6
    # A kernel of three taps at stride two covers its rows once and twice in turn.
    checkered = rows_of("transposed3")
    np.testing.assert_allclose(checkered[1::2], 2 * checkered[0::2][: len(checkered[1::2])])


def test_pixels_to_channels_and_back():
    x = np.arange(2 * 8 * 12 * 3.0).reshape(2, 8, 12, 3)
    small = np.asarray(to_channels(x, 4))
    assert small.shape == (2, 2, 3, 48)
    np.testing.assert_array_equal(small[0, 1, 2].reshape(4, 4, 3), x[0, 4:8, 8:12])
    np.testing.assert_array_equal(to_pixels(small, 4), x)


def test_only_a_shuffle_enlarges_by_other_factors():
    with pytest.raises(ValueError, match="no up-sampling 'fir' by 4"):
        Upsampling("fir", 1, 1, 4, rng=np.random.default_rng(0))
