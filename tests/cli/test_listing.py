"""What `main.py list` says, against counts made by hand."""

import pytest

from configs import npr
from npr_jax.cli.listing import list_systems
from npr_jax.models.systems.registry import SYSTEMS
from tests import runs


@pytest.fixture(scope="module")
def rows():
    return {row.name: row for row in list_systems()}


def multiplications_of_npr(side):
    """Of the convolutions and the linear layer on one image, counted layer by layer."""
    half, quarter, eighth = side // 2, side // 4, side // 8
    total = half**2 * 27 * 64  # the stem, stride 2
    # Stage 1 after the pool; the first block projects 64 channels to 256.
    total += quarter**2 * (64 * 64 + 9 * 64 * 64 + 64 * 256 + 64 * 256)
    total += quarter**2 * 2 * (256 * 64 + 9 * 64 * 64 + 64 * 256)
    # Stage 2: the first block halves the image in its 3x3.
    total += quarter**2 * 256 * 128 + eighth**2 * (9 * 128 * 128 + 128 * 512 + 256 * 512)
    total += eighth**2 * 3 * (512 * 128 + 9 * 128 * 128 + 128 * 512)
    return total + 512


def test_every_system_is_listed_with_its_recipe(rows):
    assert list(rows) == list(SYSTEMS)
    for row in rows.values():
        assert row.parameters > 0
        assert row.paper


def test_parameters_and_arithmetic_of_npr(rows):
    assert npr.get_config().data.evaluate_resize == rows["npr"].side == 256
    assert rows["npr"].parameters == 1_437_761
    # Two operations for each multiplication; normalisation and additions are a few percent more,
    # zeros at the borders a little less.
    assert rows["npr"].flops == pytest.approx(2 * multiplications_of_npr(256), rel=0.03)


def test_the_command_prints_a_line_for_each():
    lines = runs.main("list").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == list(SYSTEMS)
    assert "1,437,761" in lines[1 + list(SYSTEMS).index("npr")]
