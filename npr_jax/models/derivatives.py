"""Layers whose derivative is written by hand: the forward values are the usual ones.

XLA derives correct but slow gradients for these on the CPU (measured in docs/benchmarks.md):
the max pool scatters window by window, a convolution's kernel gradient becomes a convolution
with a kernel as large as the image, and batch statistics are reduced once per use. Each
function below says what its derivative is. They support reverse mode only.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

NHWC = ("NHWC", "HWIO", "NHWC")
# Images whose kernel gradients are added in one go; two fit the second-level cache.
IMAGES_PER_PART = 2


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def convolution(x: jax.Array, kernel: jax.Array, stride: int, padding: int) -> jax.Array:
    """Cross-correlation with a square kernel, ``padding`` pixels of zeros on every side.

    ``x`` is ``[b, h, w, i]``, the kernel ``[k, k, i, o]`` of its dtype. A padding of ``k // 2``
    keeps positions over pixels (at odd ``k``), 0 keeps to the image. Returns
    ``[b, rows, columns, o]`` with ``rows = (h + 2 padding - k) // stride + 1``.
    """
    return _convolve(x, kernel, stride, padding)


def _convolve(x, kernel, stride, padding):
    around = ((padding, padding),) * 2
    return lax.conv_general_dilated(x, kernel, (stride,) * 2, around, dimension_numbers=NHWC)


def _convolution_backward(stride, padding, saved, cotangent):
    x, kernel = saved
    [x_gradient] = jax.linear_transpose(lambda v: _convolve(v, kernel, stride, padding), x)(
        cotangent
    )

    def derived(x, cotangent):
        function = jax.linear_transpose(lambda k: _convolve(x, k, stride, padding), kernel)
        return function(cotangent)[0]

    by_taps = functools.partial(
        _kernel_gradient_by_taps, size=kernel.shape[0], stride=stride, padding=padding
    )
    kernel_gradient = lax.platform_dependent(x, cotangent, cpu=by_taps, default=derived)
    return x_gradient, kernel_gradient


convolution.defvjp(
    lambda x, kernel, *how: (_convolve(x, kernel, *how), (x, kernel)), _convolution_backward
)


def _kernel_gradient_by_taps(
    x: jax.Array, cotangent: jax.Array, *, size: int, stride: int, padding: int
) -> jax.Array:
    """Per tap of the kernel one matrix product over positions, a few images at a time.

    ``d kernel[r, c] = sum over positions p of x[stride p + (r, c) - padding]^T cotangent[p]``.
    """
    batch, channels_in = x.shape[0], x.shape[-1]
    rows, columns, channels_out = cotangent.shape[1:]
    part = IMAGES_PER_PART if batch % IMAGES_PER_PART == 0 else 1
    around = ((0, 0), (padding, padding), (padding, padding), (0, 0))

    def add(total, arrays):
        """Adds the products of one part of the batch, of all taps: a step of `lax.scan`."""
        image, gradient = arrays
        padded = jnp.pad(image, around)
        # Transposed once for all taps; without the barrier XLA would do it in each.
        transposed = lax.optimization_barrier(gradient.reshape(-1, channels_out).T)

        def tap(r, c):
            stop = (part, r + (rows - 1) * stride + 1, c + (columns - 1) * stride + 1, channels_in)
            shifted = lax.slice(padded, (0, r, c, 0), stop, (1, stride, stride, 1))
            return jnp.dot(
                transposed, shifted.reshape(-1, channels_in), preferred_element_type=jnp.float32
            )

        taps = jnp.stack([tap(r, c) for r in range(size) for c in range(size)])
        return total + taps, None

    parts = [a.reshape(batch // part, part, *a.shape[1:]) for a in (x, cotangent)]
    total = jnp.zeros((size * size, channels_out, channels_in), jnp.float32)
    total, _ = lax.scan(add, total, tuple(parts))
    total = total.transpose(0, 2, 1).reshape(size, size, channels_in, channels_out)
    return total.astype(x.dtype)


@jax.custom_vjp
def convolution_1x1(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """1x1 convolution as the matrix product it is.

    ``x``: ``[b, h, w, i]``, ``kernel``: ``[i, o]``; returns ``[b, h, w, o]``.
    """
    return x @ kernel

    return x @ kernel, (x, kernel)


def _pointwise_backward(saved, cotangent):
    x, kernel = saved
    # Without the barrier XLA computes the cotangent anew, and transposed, for the kernel.
    cotangent = lax.optimization_barrier(cotangent)
    rows, gradients = (a.reshape(-1, a.shape[-1]) for a in (x, cotangent))
    over_rows = functools.partial(
        lax.dot_general,
        dimension_numbers=(((0,), (0,)), ((), ())),
        preferred_element_type=jnp.float32,
    )
    # The left factor is the one that gets transposed: the narrower of the two.
    if x.shape[-1] <= cotangent.shape[-1]:
        kernel_gradient = over_rows(rows, gradients)
    else:
        kernel_gradient = lax.optimization_barrier(over_rows(gradients, rows)).T
    return cotangent @ kernel.T, kernel_gradient.astype(kernel.dtype)


convolution_1x1.defvjp(lambda x, kernel: (x @ kernel, (x, kernel)), _pointwise_backward)


@jax.custom_vjp
def max_pool_3x3(x: jax.Array) -> jax.Array:
    """3x3 maximum at stride 2, padded by minus infinity: ``[b, h, w, c]`` to half the size.

    Sizes are rounded up. As in torch a window's derivative goes to its first maximum, row by row.
    """
    window, strides, padding = (1, 3, 3, 1), (1, 2, 2, 1), ((0, 0), (1, 1), (1, 1), (0, 0))
    return lax.reduce_window(x, -jnp.inf, lax.max, window, strides, padding)


def _max_pool_forward(x):
    """The maximum and which of the window's nine pixels holds it, counted row by row."""
    rows, columns = -(-x.shape[1] // 2), -(-x.shape[2] // 2)
    # One row above and what is missing to an even size below; likewise left and right.
    below, right = 2 * rows - x.shape[1], 2 * columns - x.shape[2]
    padding = ((0, 0), (1, below), (1, right), (0, 0))
    padded = jnp.pad(x, padding, constant_values=-jnp.inf)

    def pixel(r, c):
        return padded[:, r : r + 2 * rows - 1 : 2, c : c + 2 * columns - 1 : 2]

    largest = pixel(0, 0)
    place = jnp.zeros(largest.shape, jnp.int8)
    for index in range(1, 9):
        candidate = pixel(*divmod(index, 3))
        place = jnp.where(candidate > largest, jnp.int8(index), place)
        largest = jnp.maximum(largest, candidate)
    # An empty array carries the size of x, which its gradient must have.
    return largest, (place, jnp.zeros((*x.shape[1:3], 0)))


def _max_pool_backward(saved, cotangent):
    place, size = saved
    batch, rows, columns, channels = cotangent.shape
    pad = ((0, 0), (0, 1), (0, 1), (0, 0))
    place = jnp.pad(place, pad, constant_values=-1)
    cotangent = jnp.pad(cotangent, pad)
    # Pixel (2i + r, 2j + c) lies in window (i, j) and, where r or c is 1, in the next one too.
    r = jnp.arange(2, dtype=jnp.int8)[:, None, None, None]
    c = jnp.arange(2, dtype=jnp.int8)[:, None]
    gradient = jnp.zeros((), cotangent.dtype)
    for down in (0, 1):
        for along in (0, 1):
            window = (slice(None), slice(down, down + rows), slice(along, along + columns))
            its_place = place[window][:, :, None, :, None]
            its_cotangent = cotangent[window][:, :, None, :, None]
            expected = 3 * (r + 1 - 2 * down) + (c + 1 - 2 * along)
            inside = (r >= down) & (c >= along)
            hit = (its_place == expected) & inside
            gradient += jnp.where(hit, its_cotangent, jnp.zeros((), cotangent.dtype))
    gradient = gradient.reshape(batch, 2 * rows, 2 * columns, channels)
    return (gradient[:, : size.shape[0], : size.shape[1]],)


max_pool_3x3.defvjp(_max_pool_forward, _max_pool_backward)


@jax.custom_vjp
def relu(x: jax.Array) -> jax.Array:
    """``max(x, 0)``; the derivative is read off the result, so ``x`` need not be kept."""
    return jnp.maximum(x, 0)


def _relu_forward(x):
    y = relu(x)
    return y, y


def _relu_backward(y, cotangent):
    return (jnp.where(y > 0, cotangent, jnp.zeros((), cotangent.dtype)),)


relu.defvjp(_relu_forward, _relu_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
def normalize_batch(
    x: jax.Array, scale: jax.Array, bias: jax.Array, weights: jax.Array | None, epsilon: float
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Batch normalisation of ``[b, h, w, c]`` with the statistics of this batch.

    ``scale`` and ``bias`` are float32 ``[c]``; ``weights`` float32 ``[b, 1, 1, 1]``, 1 for rows
    that count in the statistics, 0 for others, None: all count; ``epsilon`` is added to the
    variance. Returns the normalised ``x`` in its own dtype, and float32 mean and (biased) variance
    ``[c]``, which are not differentiable.
    """
    return _normalize_forward(x, scale, bias, weights, epsilon)[0]


def _normalize_forward(x, scale, bias, weights, epsilon):
    x32 = x.astype(jnp.float32)
    count = _positions(x, weights)
    weighted = x32 if weights is None else x32 * weights
    mean = weighted.sum((0, 1, 2)) / count
    square = (weighted * x32).sum((0, 1, 2)) / count
    variance = jnp.maximum(square - mean * mean, 0.0)
    inverse = lax.rsqrt(variance + epsilon)
    factor = inverse * scale
    y = (x32 * factor + (bias - mean * factor)).astype(x.dtype)
    return (y, mean, variance), (x, scale, weights, mean, inverse)


def _normalize_backward(epsilon, saved, cotangents):
    del epsilon
    x, scale, weights, mean, inverse = saved
    gradient = cotangents[0].astype(jnp.float32)
    x32 = x.astype(jnp.float32)
    bias_gradient = gradient.sum((0, 1, 2))
    scale_gradient = (gradient * (x32 - mean)).sum((0, 1, 2)) * inverse
    # scale inverse (gradient - bias_gradient / n - inverse (x - mean) scale_gradient / n), with
    # all that is constant per channel taken out of the pass over the pixels.
    factor = scale * inverse
    slope = factor * inverse * scale_gradient / _positions(x, weights)
    offset = factor * bias_gradient / _positions(x, weights) - slope * mean
    common = slope * x32 + offset
    common = common if weights is None else common * weights
    x_gradient = (factor * gradient - common).astype(x.dtype)
    return x_gradient, scale_gradient, bias_gradient, None


normalize_batch.defvjp(_normalize_forward, _normalize_backward)


def _positions(x, weights):
    rows = x.shape[0] if weights is None else jnp.maximum(weights.sum(), 1.0)
    return rows * x.shape[1] * x.shape[2]
