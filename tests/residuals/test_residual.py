"""The front ends' operators against torch, PyWavelets, the published values and float64 algebra."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from npr_jax.residuals.residual import (
    MODES,
    RESIDUAL_MODES,
    apply_operators,
    axis_operator,
    npr_residual,
    period,
    reference_reach,
)

FACTORS = (0.25, 0.5, 0.75, 1 / 3, 1 / 8, 0.9)
PERIODS = {0.5: 2, 0.25: 4, 0.75: 4, 1 / 3: 3, 2 / 3: 3, 1 / 8: 8, 0.3: 10, 0.9: 10, 0.95: 20}


def torch_residual(images, factor, mode):
    torch = pytest.importorskip("torch", reason="needs the torch extra")
    kwargs = {} if mode in ("nearest", "area") else {"align_corners": False}
    x = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    height, width = x.shape[2:]
    small = (max(1, int(height * factor)), max(1, int(width * factor)))
    down = torch.nn.functional.interpolate(x, size=small, mode=mode, **kwargs)
    up = torch.nn.functional.interpolate(down, size=(height, width), mode=mode, **kwargs)
    return (x - up).numpy().transpose(0, 2, 3, 1)


@pytest.mark.parametrize("mode", RESIDUAL_MODES)
@pytest.mark.parametrize("factor", FACTORS)
def test_equals_torch_at_even_and_odd_sizes(mode, factor):
    rng = np.random.default_rng(0)
    for height, width in ((32, 48), (33, 47), (9, 40), (101, 64), (5, 2)):
        images = rng.normal(size=(2, height, width, 3)).astype(np.float32)
        ours = npr_residual(jnp.asarray(images), factor, mode)
        np.testing.assert_allclose(ours, torch_residual(images, factor, mode), rtol=1e-5, atol=1e-5)


def test_nearest_follows_the_float32_index_rule_at_every_size():
    """Over all lengths to 1100 the references equal torch's, where float64 rules do not."""
    torch = pytest.importorskip("torch", reason="needs the torch extra")
    differs_from_float64 = 0
    for factor in (0.25, 0.75, 1 / 3, 1 / 8):
        for length in range(8, 1100):
            small = int(length * factor)
            x = torch.arange(length, dtype=torch.float32)[None, None]
            down = torch.nn.functional.interpolate(x, size=small, mode="nearest")
            up = torch.nn.functional.interpolate(down, size=length, mode="nearest")
            expected = up[0, 0].numpy().astype(int)
            ours = axis_operator(length, factor, "nearest")
            np.testing.assert_array_equal(ours, expected, err_msg=f"{factor} {length}")
            exact_down = np.arange(small) * length // small
            exact_up = np.arange(length) * small // length
            differs_from_float64 += np.any(exact_down[exact_up] != expected)
    assert differs_from_float64 > 0, "the float32 rule would then not be worth testing"


def test_even_size_half_subtracts_the_top_left_pixel_of_each_block():
    images = np.random.default_rng(1).normal(size=(1, 6, 8, 3)).astype(np.float32)
    reference = images[:, ::2, ::2].repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(npr_residual(jnp.asarray(images)), images - reference)


def test_odd_length_shifts_blocks_as_the_method_notes_say():
    assert axis_operator(9, 0.5, "nearest").tolist() == [0, 0, 0, 2, 2, 4, 4, 6, 6]


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "none"])
@pytest.mark.parametrize(("factor", "pixels"), PERIODS.items())
def test_multiples_of_the_period_have_one_and_the_same_grid(mode, factor, pixels):
    """Whatever the size from 32 to 1,024: but for the border, as the beginning of a longer axis."""
    if mode == "hh":  # without a factor; its stretch is the same in whole, not in part
        assert period(factor, mode) == 2
        return
    assert period(factor, mode) == pixels
    longest = axis_operator(1100 // pixels * pixels, factor, mode)
    lengths = {length // pixels * pixels for length in range(32, 1025)}
    for length in sorted(lengths) if mode == "nearest" else (32 // pixels * pixels, 240, 960):
        inner = length if mode == "nearest" else length - reference_reach(length, factor, mode)
        part = axis_operator(length, factor, mode)[:inner]
        expected = longest[:inner] if mode == "nearest" else longest[:inner, :length]
        np.testing.assert_allclose(part, expected, rtol=0, atol=1e-4, err_msg=f"{length} pixels")


def test_what_has_no_period():
    """No small denominator, or one at which float32's rounding breaks the pattern; no factor."""
    for factor in (0.437, 0.33, 0.7, 3 / 7, 0.99):
        assert period(factor, "nearest") == 1
    assert (period(0.5, "none"), period(0.5, "hh")) == (1, 2)


def test_the_phase_chooses_the_pixel_of_the_block():
    """Counted by hand: the four choices at 0.5, two of three at 1/3, blocks of uneven length."""
    images = np.random.default_rng(5).normal(size=(1, 6, 8, 3)).astype(np.float32)
    for row in (0, 1):
        for column in (0, 1):
            reference = images[:, row::2, column::2].repeat(2, axis=1).repeat(2, axis=2)
            ours = npr_residual(jnp.asarray(images), phase=(row, column))
            np.testing.assert_array_equal(ours, images - reference)
    assert axis_operator(9, 1 / 3, "nearest", phase=1).tolist() == [1, 1, 1, 4, 4, 4, 7, 7, 7]
    assert axis_operator(9, 1 / 3, "nearest", phase=2).tolist() == [2, 2, 2, 5, 5, 5, 8, 8, 8]
    assert axis_operator(3, 0.75, "nearest", phase=1).tolist() == [1, 1, 2]
    assert axis_operator(4, 0.25, "nearest", phase=3).tolist() == [3, 3, 3, 3]
    assert axis_operator(9, 0.5, "nearest", phase=1).tolist() == [1, 1, 1, 3, 3, 5, 5, 7, 7]


@pytest.mark.parametrize("shape", [(32, 48), (33, 47), (9, 40), (101, 64), (6, 7)])
def test_the_wavelet_band_equals_pywavelets_resized_by_torch(shape):
    pywt = pytest.importorskip("pywt", reason="needs the test extra")
    torch = pytest.importorskip("torch", reason="needs the torch extra")
    images = np.random.default_rng(6).normal(size=(2, *shape, 3)).astype(np.float32)
    _, (_, _, band) = pywt.dwt2(images, "bior1.3", mode="symmetric", axes=(1, 2))
    tensor = torch.from_numpy(band.astype(np.float32).transpose(0, 3, 1, 2).copy())
    resized = torch.nn.functional.interpolate(
        tensor, size=shape, mode="bilinear", align_corners=False
    )
    # torchvision's Resize antialiases: of no effect where an axis grows, as the band does here.
    antialiased = torch.nn.functional.interpolate(
        tensor, size=shape, mode="bilinear", align_corners=False, antialias=True
    )
    ours = npr_residual(jnp.asarray(images), mode="hh")
    for expected in (resized, antialiased):
        expected = expected.numpy().transpose(0, 2, 3, 1)
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)


def test_none_is_the_image_itself():
    images = np.random.default_rng(7).normal(size=(2, 5, 7, 3)).astype(np.float32)
    np.testing.assert_array_equal(npr_residual(jnp.asarray(images), mode="none"), images)


CHOICES = [(mode, 0) for mode in MODES] + [("nearest", 1)]


@pytest.mark.parametrize(("mode", "phase"), CHOICES)
def test_a_window_agrees_with_the_whole_axis_beyond_the_reach(mode, phase):
    for factor in (*FACTORS, 0.1, 0.03):
        for length in (199, 260):
            whole = axis_operator(length, factor, mode, phase=phase)
            reach = reference_reach(length, factor, mode)
            for start, stop in ((0, 150), (40, 170), (91, length)):
                part = axis_operator(length, factor, mode, slice(start, stop), phase=phase)
                first = 0 if start == 0 else start + reach
                last = length if stop == length else stop - reach
                expected, ours = whole[first:last], part[first - start : max(last - start, 0)]
                if mode == "none":
                    assert part.size == 0
                elif mode == "nearest":
                    np.testing.assert_array_equal(ours, expected - start)
                else:
                    assert not expected[:, :start].any()
                    assert not expected[:, stop:].any()
                    np.testing.assert_allclose(ours, expected[:, start:stop], rtol=0, atol=1e-7)


@pytest.mark.parametrize(("mode", "phase"), CHOICES)
def test_the_reach_covers_every_reference_and_little_more(mode, phase):
    for factor in (*FACTORS, 0.1, 0.03):
        for length in (33, 64, 150, 192, 257):
            operator = axis_operator(length, factor, mode, phase=phase)
            if mode == "none":
                distance = 0
            elif operator.ndim == 1:
                distance = np.abs(operator - np.arange(length)).max()
            else:
                rows, columns = np.nonzero(operator)
                distance = np.abs(rows - columns).max()
            assert distance <= reference_reach(length, factor, mode)


def test_float64_operators_are_those_of_float32_unrounded():
    for mode in MODES:
        for factor in (0.5, 1 / 3):
            double = axis_operator(24, factor, mode, dtype=np.float64)
            single = axis_operator(24, factor, mode)
            np.testing.assert_allclose(double, single, rtol=0, atol=1e-6)
            assert double.dtype == (np.int32 if mode in ("nearest", "none") else np.float64)


def test_published_values(parity):
    expected, modes, reference = parity
    for key, value in modes.items():
        _, mode, factor = key.split("_")
        x = reference.normalize(reference.make_images(3, 1, 48, 64))
        ours = npr_residual(jnp.asarray(x), float(factor), mode)
        np.testing.assert_allclose(ours[0], value, atol=1e-5, err_msg=key)
    checked = 0
    for key, value in expected.items():
        if key.startswith("npr_odd_"):
            factor_text, size, seed = key.removeprefix("npr_odd_").split("_")
            height, width = map(int, size.split("x"))
            seed = int(seed.removeprefix("imgseed"))
            ours = _statistics(reference, factor_text, seed, 1, height, width, weighted=True)
        elif key.startswith("npr_sum_"):
            factor_text, size = key.removeprefix("npr_sum_").split("_")
            n, height, width = map(int, size.split("x"))
            seed = _image_seed(expected, size)
            ours = _statistics(reference, factor_text, seed, n, height, width, weighted=False)
        else:
            continue
        np.testing.assert_allclose(ours, value, rtol=1e-5, atol=2e-3, err_msg=key)
        checked += 1
    assert checked >= 6


def _image_seed(expected, size):
    [seed] = {int(k.split("imgseed")[1]) for k in expected if k.startswith(f"logits_{size}_")}
    return seed


def _statistics(reference, factor_text, seed, n, height, width, weighted):
    factor = 1 / 3 if factor_text == "0.333" else float(factor_text)
    x = reference.normalize(reference.make_images(seed, n, height, width))
    r = np.asarray(npr_residual(jnp.asarray(x), factor), np.float64)
    values = [r.sum(), np.abs(r).sum(), (r**2).sum()]
    if weighted:
        rows, columns = np.arange(height)[:, None, None], np.arange(width)[:, None]
        values += [(np.abs(r) * rows).sum(), (np.abs(r) * columns).sum()]
    return values


def test_published_corner(parity):
    expected, _, reference = parity
    x = reference.normalize(reference.make_images(_image_seed(expected, "2x224x224"), 2, 224, 224))
    for factor in (0.25, 0.5, 0.75):
        key = f"npr_corner_{factor}_2x224x224"
        ours = npr_residual(jnp.asarray(x), factor)[0, :12, :12]
        np.testing.assert_allclose(ours, expected[key], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_gradient_is_the_transposed_operator(mode):
    rng = np.random.default_rng(2)
    x, cotangent = rng.normal(size=(2, 1, 12, 15, 1)).astype(np.float32)
    gradient = jax.grad(lambda v: jnp.vdot(npr_residual(v, 0.75, mode), cotangent))(x)
    eye = np.eye(12 * 15, dtype=np.float32).reshape(-1, 12, 15, 1)
    matrix = np.asarray(npr_residual(jnp.asarray(eye), 0.75, mode)).reshape(180, 180)
    np.testing.assert_allclose(gradient.ravel(), matrix @ cotangent.ravel(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_operators_with_a_batch_axis_serve_mixed_sizes(mode):
    rng = np.random.default_rng(3)
    sizes = [(9, 12), (12, 7)]
    images = rng.normal(size=(2, 12, 12, 3)).astype(np.float32)
    stacks = []
    for axis in (0, 1):
        indices = mode in ("nearest", "none")
        operators = np.zeros((2, 12) if indices else (2, 12, 12), np.float32)
        for i, size in enumerate(sizes):
            n = size[axis]
            part = np.arange(n) if mode == "none" else axis_operator(n, 0.5, mode)
            operators[(i,) + (slice(n),) * (operators.ndim - 1)] = part
        stacks.append(operators.astype(np.int32) if indices else operators)
    batched = apply_operators(jnp.asarray(images), *map(jnp.asarray, stacks), mode)
    for i, (h, w) in enumerate(sizes):
        alone = npr_residual(jnp.asarray(images[i, :h, :w]), 0.5, mode)
        np.testing.assert_allclose(batched[i, :h, :w], alone, atol=1e-6)


def test_smaller_factors_carry_larger_ones_at_sizes_divisible_by_four():
    """NPR_0.5 and NPR_0.75 are exact functions of NPR_0.25 (docs/residuals.md)."""
    images = np.random.default_rng(4).normal(size=(1, 16, 24, 3))
    with jax.enable_x64(True):
        quarter = npr_residual(jnp.asarray(images), 0.25)
        for factor in (0.5, 0.75):
            direct = npr_residual(jnp.asarray(images), factor)
            np.testing.assert_allclose(npr_residual(quarter, factor), direct, atol=1e-14)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"factor": 1.0}, "between 0 and 1"),
        ({"factor": -0.5}, "between 0 and 1"),
        ({"mode": "lanczos"}, "nearest, bilinear, bicubic, area, hh, none"),
        ({"phase": (0, 2)}, "phase is 2 at factor 0.5; expected 0 to 1"),
        ({"phase": (-1, 0)}, "phase is -1 at factor 0.5; expected 0 to 1"),
        ({"factor": 0.75, "phase": (2, 0)}, "expected 0 to 1"),
        ({"mode": "area", "phase": (1, 0)}, "only nearest has a reference pixel"),
    ],
)
def test_refuses_what_it_cannot_do(kwargs, message):
    with pytest.raises(ValueError, match=message):
        npr_residual(jnp.zeros((1, 8, 8, 3)), **kwargs)


def test_refuses_integer_pixels():
    with pytest.raises(ValueError, match="convert the pixels to float"):
        npr_residual(jnp.zeros((1, 8, 8, 3), jnp.uint8))
