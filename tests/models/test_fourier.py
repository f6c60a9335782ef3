"""FreqNet's operations against their definitions by torch's transforms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from npr_jax.models.systems import freqnet

torch = pytest.importorskip("torch", reason="needs the torch extra")

from tests.twins.freqnet import convolved_spectrum, without_central_half  # noqa: E402

SIZES = [(8, 8), (9, 12), (10, 7), (5, 11), (3, 2)]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def assert_same_with_derivatives(ours, theirs, *arrays):
    """Value and derivatives of a function of NHWC ``x`` (and of matrices) on both sides."""
    value, pull = jax.vjp(ours, *map(jnp.asarray, arrays))
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    expected = theirs(tensors[0].permute(0, 3, 1, 2), *tensors[1:]).permute(0, 2, 3, 1)
    cotangent = normal(*value.shape, seed=9)
    expected.backward(torch.from_numpy(cotangent))
    np.testing.assert_allclose(value, expected.detach(), atol=2e-6)
    for gradient, tensor in zip(pull(jnp.asarray(cotangent)), tensors, strict=True):
        np.testing.assert_allclose(gradient, tensor.grad, atol=2e-5)


@pytest.mark.parametrize("size", SIZES)
def test_high_frequencies_of_even_and_odd_sizes(size):
    x = normal(2, *size, 3)
    assert_same_with_derivatives(
        freqnet.high_frequencies, lambda x: without_central_half(x, (2, 3)), x
    )


@pytest.mark.parametrize("channels", [3, 4, 9, 64])
def test_high_frequencies_of_channels(channels):
    x = normal(2, 3, 4, channels)
    assert_same_with_derivatives(
        freqnet.high_channel_frequencies, lambda x: without_central_half(x, (1,)), x
    )


@pytest.mark.parametrize("size", SIZES)
def test_convolved_spectrum(size):
    x, real, imaginary = normal(2, *size, 4), normal(4, 5, seed=1), normal(4, 5, seed=2)

    def expected(x, real, imaginary):
        def layer(kernel):
            return lambda part: torch.einsum("bihw,io->bohw", part, kernel)

        return convolved_spectrum(x, layer(real), layer(imaginary))

    assert_same_with_derivatives(freqnet.convolve_spectrum, expected, x, real, imaginary)


def test_a_constant_image_has_no_high_frequencies():
    x = np.full((1, 12, 10, 2), 3.0, np.float32)
    np.testing.assert_allclose(freqnet.high_frequencies(x), 0, atol=1e-6)


def test_the_zeroed_half_of_an_odd_axis_is_rounded_as_stated():
    """9 frequencies, zero at place 4: places 2 to 5 are zeroed, which are -2 to 1 periods."""
    columns = np.arange(9)
    x = np.zeros((1, 9, 9, 5), np.float32)
    for period in range(5):
        x[0, :, :, period] = np.cos(2 * np.pi * period * columns / 9)
    y = freqnet.high_frequencies(jnp.asarray(x))[0]
    kept = [float(np.abs(y[..., c]).max() / np.maximum(x[0, ..., c], 0).max()) for c in range(5)]
    # 2 periods lie at places 2 and 6, of which only one is zeroed: half of the wave is left.
    np.testing.assert_allclose(kept, [0, 0, 0.5, 1, 1], atol=1e-6)


def test_half_precision_goes_through_float32():
    x = normal(1, 8, 8, 4)
    y = freqnet.high_frequencies(jnp.asarray(x, jnp.bfloat16))
    assert y.dtype == jnp.bfloat16
    rounded = np.asarray(jnp.asarray(x, jnp.bfloat16).astype(jnp.float32))
    exact = freqnet.high_frequencies(rounded)
    np.testing.assert_allclose(y.astype(jnp.float32), exact, rtol=2**-8, atol=1e-6)
