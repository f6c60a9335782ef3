"""Which front ends are linear functions of which others: proofs in float64, and their page."""

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from docs.research import residual_identities as identities
from docs.research.residual_identities import VIEWS, View, added_rank, connecting_map, matrix
from npr_jax.residuals.color_spaces import DIFFERENCES, YCBCR, convert
from npr_jax.residuals.residual import npr_residual

NEAREST = {f: View("nearest", f) for f in identities.FACTORS}
PHASES = [View("nearest", "1/2", phase) for phase in ((0, 1), (1, 0), (1, 1))]


def are_functions(known, others, size):
    """By least squares, which the tables do not use: the residual of ``other = M known`` each."""
    a, b = matrix(known, size).T, np.hstack([matrix(other, size).T for other in others])
    solution, *_ = np.linalg.lstsq(a, b, rcond=1e-9)
    errors = np.abs(a @ solution - b).reshape(size**2, len(others), size**2)
    # Rounding is about eps / 3e-7, the smallest singular value; of no function it is above 1e-3.
    return errors.max(axis=(0, 2)) < 1e-6


def is_function(known, other, size):
    return are_functions(known, [other], size)[0]


@pytest.mark.parametrize("size", [8, 9, 10])
def test_the_tables_criterion_agrees_with_least_squares_for_every_pair(size):
    for known in VIEWS:
        functions = are_functions(known, VIEWS, size)
        for other, function in zip(VIEWS, functions, strict=True):
            expected = added_rank(known, other, size) == 0
            assert function == expected, (known.name, other.name)


@pytest.mark.parametrize("size", [8, 12, 16])
def test_at_sizes_divisible_by_four_a_quarter_carries_a_half_and_three_quarters(size):
    """And by which map: the residual of the residual (docs/residuals.md)."""
    quarter = matrix(NEAREST["1/4"], size)
    for factor in ("1/2", "3/4"):
        direct = matrix(NEAREST[factor], size)
        np.testing.assert_allclose(direct @ quarter, direct, rtol=0, atol=1e-12)
    assert is_function(NEAREST["3/4"], NEAREST["1/4"], size)
    assert not is_function(NEAREST["1/2"], NEAREST["1/4"], size)


@pytest.mark.parametrize("size", [8, 10, 12])
def test_at_even_sizes_phases_area_and_the_wavelet_add_nothing_to_a_half(size):
    half = NEAREST["1/2"]
    for view in (*PHASES, View("area", "1/2")):
        assert is_function(half, view, size)
        assert is_function(view, half, size)
        direct = matrix(view, size)
        np.testing.assert_allclose(direct @ matrix(half, size), direct, rtol=0, atol=1e-12)
    assert is_function(half, View("hh"), size)
    assert not is_function(View("hh"), half, size)


@pytest.mark.parametrize("size", [8, 16])
def test_an_eighth_holds_a_quarter_and_a_half_at_sizes_divisible_by_eight(size):
    for factor in ("1/4", "1/2"):
        assert is_function(NEAREST["1/8"], NEAREST[factor], size)
        assert not is_function(NEAREST[factor], NEAREST["1/8"], size)


@pytest.mark.parametrize("size", [9, 15])
def test_at_odd_sizes_phases_differ(size):
    for view in PHASES:
        assert not is_function(view, NEAREST["1/2"], size)
    assert not is_function(PHASES[0], PHASES[1], size)
    assert not is_function(View("hh"), NEAREST["1/2"], size)


@pytest.mark.parametrize("size", [12])
def test_a_third_and_a_half_carry_what_the_other_lacks(size):
    third, half, quarter = NEAREST["1/3"], NEAREST["1/2"], NEAREST["1/4"]
    for known, other in ((third, half), (half, third), (third, quarter), (quarter, third)):
        assert added_rank(known, other, size) > 0
    both = np.vstack([matrix(third, size), matrix(quarter, size)])
    assert np.linalg.matrix_rank(both, tol=1e-9) == size * size - 1


@pytest.mark.parametrize("size", [8, 12])
def test_a_bilinear_half_sees_all_but_the_mean_but_only_amplified(size):
    """The map exists, to 1e-9, yet is many times as large as the one from a quarter."""
    bilinear = View("bilinear", "1/2")
    assert np.linalg.matrix_rank(matrix(bilinear, size), tol=1e-9) == size * size - 1
    assert are_functions(bilinear, VIEWS[1:], size).all()
    quarter = connecting_map(NEAREST["1/4"], NEAREST["1/2"], size)
    ours = connecting_map(bilinear, NEAREST["1/4"], size)
    assert np.linalg.norm(ours, 2) > 3 * np.linalg.norm(quarter, 2)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "area", "hh"])
def test_linear_colours_of_a_residual_are_pointwise_functions_of_its_rgb(mode):
    residual = matrix(View(mode, "1/4"), 8)
    rgb = np.kron(residual, np.eye(3))
    for colours, rank in ((YCBCR, 3), (DIFFERENCES, 2)):
        pointwise = np.kron(np.eye(64), colours)
        direct = np.kron(residual, colours)
        np.testing.assert_allclose(pointwise @ rgb, direct, rtol=0, atol=1e-12)
        single = np.linalg.matrix_rank(residual, tol=1e-9)
        assert np.linalg.matrix_rank(direct, tol=1e-9) == rank * single


@pytest.mark.parametrize(("color", "matrix"), [("ycbcr", YCBCR), ("differences", DIFFERENCES)])
def test_the_code_does_what_the_matrices_say(color, matrix):
    images = np.random.default_rng(0).uniform(0, 255, (1, 12, 12, 3))
    with jax.enable_x64(True):
        inside = npr_residual(convert(jnp.asarray(images), color), 1 / 3)
        outside = npr_residual(jnp.asarray(images), 1 / 3) @ jnp.asarray(matrix).T
    np.testing.assert_allclose(inside, outside, rtol=0, atol=1e-10)


def test_lab_residuals_tell_apart_what_rgb_residuals_cannot():
    """Two images that differ by a constant: not a function of the RGB residual, linear or other."""
    image = np.random.default_rng(1).uniform(20, 120, (8, 8, 3)).astype(np.float32)
    views = []
    for level in (0, 100):
        lab = cv2.cvtColor((image + level) / 255, cv2.COLOR_RGB2Lab)
        views.append(np.asarray(npr_residual(jnp.asarray(lab))))
        ours = np.asarray(npr_residual(convert(jnp.asarray(image + level), "lab")))
        np.testing.assert_allclose(ours, views[-1] * [2.55, 1, 1], atol=1.2)
    assert np.abs(views[0] - views[1]).max() > 5


def _section_of_the_page(root):
    text = (root / "docs" / "residuals.md").read_text()
    start = text.index(identities.BEGIN)
    return text[start : text.index(identities.END) + len(identities.END)]


def test_the_page_shows_the_tables_of_the_small_sizes(root):
    for size in (8, 9, 10):
        assert identities.table(size) in _section_of_the_page(root)


@pytest.mark.parametrize(("known", "other"), identities.CONNECTED)
def test_the_norms_of_the_page_by_least_squares(known, other, root):
    """At 12x12: the map M of least norm with ``other = M known``, and its largest stretch."""
    solution, *_ = np.linalg.lstsq(matrix(known, 12).T, matrix(other, 12).T, rcond=1e-9)
    largest = np.sqrt(np.linalg.eigvalsh(solution.T @ solution).max())
    [row] = [
        line.split(" | ")
        for line in _section_of_the_page(root).splitlines()
        if line.startswith(f"| {known.name} | {other.name} |")
    ]
    assert float(row[2].split(",")[0]) == pytest.approx(largest, rel=0.05)


@pytest.mark.slow
def test_the_page_shows_all_tables(root):
    assert identities.section() == _section_of_the_page(root)
