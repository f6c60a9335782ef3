"""Hand-written derivatives against torch's automatic ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from npr_jax.models import derivatives

torch = pytest.importorskip("torch", reason="needs the torch extra")

SIZES = [(2, 8, 8), (3, 9, 6), (4, 7, 11)]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def to_torch(array):
    return torch.tensor(array.transpose(0, 3, 1, 2), requires_grad=True)


def from_torch(tensor):
    return tensor.detach().numpy().transpose(0, 2, 3, 1)


def pull_back(function, arguments, cotangent):
    """Value of a function and what the cotangent becomes at each argument."""
    value, pull = jax.vjp(function, *map(jnp.asarray, arguments))
    return value, pull(jnp.asarray(cotangent))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ties", [False, True])
def test_max_pool_sends_the_gradient_to_the_first_maximum(size, ties):
    x = normal(*size, 4)
    if ties:
        x = np.maximum(np.round(x), 0)
    pixels = to_torch(x)
    expected = torch.nn.functional.max_pool2d(pixels, 3, 2, padding=1)
    cotangent = normal(*from_torch(expected).shape, seed=1)
    expected.backward(torch.tensor(cotangent.transpose(0, 3, 1, 2)))
    value, (gradient,) = pull_back(derivatives.max_pool_3x3, [x], cotangent)
    np.testing.assert_array_equal(value, from_torch(expected))
    np.testing.assert_array_equal(derivatives.max_pool_3x3(jnp.asarray(x)), value)
    np.testing.assert_allclose(gradient, from_torch(pixels.grad), atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stride", [1, 2])
def test_convolution_gradients(size, stride):
    x, kernel = normal(*size, 5), normal(3, 3, 5, 6, seed=1)
    pixels = to_torch(x)
    weight = torch.tensor(kernel.transpose(3, 2, 0, 1), requires_grad=True)
    expected = torch.nn.functional.conv2d(pixels, weight, stride=stride, padding=1)
    cotangent = normal(*from_torch(expected).shape, seed=2)
    expected.backward(torch.tensor(cotangent.transpose(0, 3, 1, 2)))
    value, (by_x, by_kernel) = pull_back(
        lambda x, k: derivatives.convolution(x, k, stride, 1), [x, kernel], cotangent
    )
    np.testing.assert_allclose(value, from_torch(expected), atol=1e-4)
    np.testing.assert_allclose(by_x, from_torch(pixels.grad), atol=1e-4)
    np.testing.assert_allclose(
        by_kernel, weight.grad.numpy().transpose(2, 3, 1, 0), rtol=1e-5, atol=1e-4
    )


@pytest.mark.parametrize("channels", [(4, 9), (9, 4), (5, 5)])
def test_pointwise_gradients_are_the_matrix_products(channels):
    x, kernel = normal(2, 3, 5, channels[0]), normal(*channels, seed=1)
    cotangent = normal(2, 3, 5, channels[1], seed=2)
    value, (by_x, by_kernel) = pull_back(derivatives.convolution_1x1, [x, kernel], cotangent)
    np.testing.assert_allclose(value, x @ kernel, atol=1e-5)
    np.testing.assert_allclose(by_x, cotangent @ kernel.T, atol=1e-5)
    np.testing.assert_allclose(by_kernel, np.einsum("bhwi,bhwo->io", x, cotangent), atol=1e-4)


def torch_batch_norm(x, scale, bias, cotangent):
    pixels, scale, bias = to_torch(x), torch.tensor(scale), torch.tensor(bias)
    scale.requires_grad, bias.requires_grad = True, True
    y = torch.nn.functional.batch_norm(pixels, None, None, scale, bias, training=True, eps=1e-5)
    y.backward(torch.tensor(cotangent.transpose(0, 3, 1, 2)))
    return from_torch(y), from_torch(pixels.grad), scale.grad.numpy(), bias.grad.numpy()


@pytest.mark.parametrize("counted", [None, [True, False, True, True]])
def test_batch_normalisation_gradients(counted):
    """Rows that do not count are as if they were not there, if the loss does not see them."""
    x = 2.0 * normal(4, 5, 6, 3) + 1.5
    scale, bias = np.float32([0.5, 1.0, 1.5]), np.float32([0.1, 0.2, -0.3])
    rows = np.array([True] * 4 if counted is None else counted)
    cotangent = normal(*x.shape, seed=1) * rows.reshape(-1, 1, 1, 1)
    weights = None if counted is None else jnp.float32(rows).reshape(-1, 1, 1, 1)

    def function(x, scale, bias):
        return derivatives.normalize_batch(x, scale, bias, weights, 1e-5)

    (y, mean, variance), pull = jax.vjp(function, x, scale, bias)
    by_x, by_scale, by_bias = pull(
        (jnp.asarray(cotangent), jnp.zeros_like(mean), jnp.zeros_like(variance))
    )
    expected = torch_batch_norm(x[rows], scale, bias, cotangent[rows])
    np.testing.assert_allclose(mean, x[rows].mean((0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(variance, x[rows].var((0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(y[rows], expected[0], atol=1e-5)
    np.testing.assert_allclose(by_x[rows], expected[1], atol=1e-5)
    np.testing.assert_array_equal(by_x[~rows], 0.0)
    np.testing.assert_allclose(by_scale, expected[2], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(by_bias, expected[3], rtol=1e-4, atol=1e-4)


def test_relu_has_no_gradient_at_zero_and_below():
    x = np.float32([-1.0, 0.0, 2.0])
    value, (gradient,) = pull_back(derivatives.relu, [x], np.ones(3, np.float32))
    np.testing.assert_array_equal(value, [0, 0, 2])
    np.testing.assert_array_equal(gradient, [0, 0, 1])
