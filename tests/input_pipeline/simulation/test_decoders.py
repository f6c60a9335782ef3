"""The up-sampling layers equal PyTorch's, the weights fit their definitions."""

import numpy as np
import pytest

from input_pipeline.simulation import decoders

torch = pytest.importorskip("torch")


@pytest.fixture
def features():
    return np.random.default_rng(0).standard_normal((2, 10, 12, 3)).astype(np.float32)


def _torch(array):
    return torch.tensor(array).permute(0, 3, 1, 2)


def _numpy(tensor):
    return tensor.permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize(
    ("upsample", "mode"),
    [
        (decoders.upsample_nearest, "nearest"),
        (decoders.upsample_fir, "bilinear"),
        (decoders.upsample_bicubic, "bicubic"),
    ],
)
def test_interpolation_equals_torch(features, upsample, mode):
    options = {} if mode == "nearest" else {"align_corners": False}
    expected = torch.nn.functional.interpolate(
        _torch(features), scale_factor=2, mode=mode, **options
    )
    np.testing.assert_allclose(upsample(features), _numpy(expected), atol=1e-5)


@pytest.mark.parametrize("size", [3, 4])
def test_transposed_convolution_equals_torch(features, size):
    kernel = np.random.default_rng(1).standard_normal((size, size, 3, 5)).astype(np.float32)
    expected = torch.nn.functional.conv_transpose2d(
        _torch(features),
        torch.tensor(kernel[::-1, ::-1].copy()).permute(2, 3, 0, 1),
        stride=2,
        padding=1,
        output_padding=4 - size,
    )
    made = decoders.transposed_convolution(features, kernel, np.zeros(5, np.float32))
    np.testing.assert_allclose(made, _numpy(expected), atol=1e-4)


def test_strided_convolution_equals_torch(features):
    kernel = np.random.default_rng(1).standard_normal((4, 4, 3, 5)).astype(np.float32)
    expected = torch.nn.functional.conv2d(
        _torch(features), torch.tensor(kernel).permute(3, 2, 0, 1), stride=2, padding=1
    )
    made = decoders.strided_convolution(features, kernel, np.zeros(5, np.float32))
    np.testing.assert_allclose(made, _numpy(expected), atol=1e-4)


def test_pixel_shuffle_equals_torch():
    x = np.random.default_rng(0).standard_normal((1, 3, 4, 4 * 5)).astype(np.float32)
    # torch has the colour before the place in the block, here the place comes first.
    ours = x.reshape(1, 3, 4, 5, 4).swapaxes(3, 4).reshape(x.shape)
    expected = torch.nn.functional.pixel_shuffle(_torch(x), 2)
    np.testing.assert_array_equal(decoders.pixel_shuffle(ours), _numpy(expected))


@pytest.mark.parametrize("family", decoders.FAMILIES)
def test_fitted_networks_reproduce_pictures(family):
    y, x = np.mgrid[:64, :64] / 64
    picture = 128 + 60 * np.stack([np.sin(5 * x), np.cos(4 * y), np.sin(6 * x * y)], axis=-1)
    picture = picture[None].astype(np.float32)
    made = decoders.decode(family, picture)
    assert made.shape == picture.shape
    assert np.abs(made - picture).mean() < 12


def test_decode_does_not_depend_on_the_number_of_images():
    pictures = np.random.default_rng(0).uniform(0, 255, (5, 32, 32, 3)).astype(np.float32)
    together = decoders.decode("nearest_conv", pictures, batch=4)
    np.testing.assert_array_equal(decoders.decode("nearest_conv", pictures[4:], 4), together[4:])


def test_only_the_control_family_keeps_full_size():
    kinds = {name: {kind for kind, _ in f.layers} for name, f in decoders.FAMILIES.items()}
    full = {name for name, found in kinds.items() if "down" not in found}
    assert full == {"control"}


def test_weights_are_small():
    assert sum(p.stat().st_size for p in decoders.weights_directory().glob("*.npz")) < 1_000_000


def test_unknown_family_is_refused():
    with pytest.raises(ValueError, match=r"unknown family 'gan'.*nearest_conv"):
        decoders.load_parameters("gan")
