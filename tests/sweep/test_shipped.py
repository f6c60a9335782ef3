"""Every sweep in configs/sweeps, small and full, holds what its docstring says and can be used."""

import importlib

import pytest

from npr_jax.sweep import grid

# Variants, counted by hand from the docstrings.
NAMES = {
    "scales": 3 + 3 + 1 + 1 + 1 + 1,  # alone, pairs, three, four, 0.5 three times, stacked
    "fusion": 1 + 6 + 3 + 5,  # 0.5 alone, heads, fixed weights, shared branches
    "modes": 4 + 1 + 5,  # phases, learned, modes
    "colors": 4,
    "augmentation": 7,
    "systems": 6 + 3,  # recipes, two to four scales
}


def load(name: str, scale: str):
    return importlib.import_module(f"configs.sweeps.{name}").get_config(scale)


def test_none_is_forgotten(root):
    files = {path.stem for path in (root / "configs/sweeps").glob("*.py")}
    assert files - {"__init__", "base", "branches", "wild"} == set(NAMES)


@pytest.mark.parametrize("scale", ["small", "full"])
@pytest.mark.parametrize("name", sorted(NAMES))
def test_accepted(name, scale):
    sweep = load(name, scale)
    found = grid.expand(sweep)
    assert len(sweep.variants) == NAMES[name]
    assert len(found) == 5 * NAMES[name]
    # Five seeds of a variant are one group.
    assert [len(group) for group in grid.batches(found, 5)] == [5] * NAMES[name]
    simulation = sweep.base.data.simulation
    if scale == "full":
        assert simulation.train_per_class >= 2000
        assert simulation.test_per_family >= 500
    assert simulation.size == 64


@pytest.mark.parametrize("name", sorted(NAMES))
def test_another_scale_is_refused(name):
    with pytest.raises(ValueError, match="'tiny' after the colon; expected small or full"):
        load(name, "tiny")


def test_controls_of_scales():
    variants = {v["name"]: v["settings"] for v in load("scales", "small").variants}
    same, three = variants["0.5+0.5+0.5"]["model"], variants["0.25+0.5+0.75"]["model"]
    assert same["factors"] == (0.5, 0.5, 0.5)
    assert {k: v for k, v in same.items() if k != "factors"} == {
        k: v for k, v in three.items() if k != "factors"
    }
    assert variants["stacked"]["model"]["fusion"] == "stack"
    assert variants["0.25"] == {"model.factors": (0.25,)}


def test_augmentation_is_on_and_off():
    variants = {run.variant: run.config.data for run in grid.expand(load("augmentation", "small"))}
    assert (variants["flip"].flip, variants["none"].flip) == (True, False)
    assert variants["none"].augment.blur_probability == 0
    assert variants["blur_jpeg0.5"].augment.blur_probability == 0.5
    assert variants["blur_jpeg0.5"].augment.jpeg_probability == 0.5


def test_wild_gives_every_variant_the_same_budget_and_three_deliveries():
    """23 ingredients with three seeds, sixteen residuals with two, nine with five and more."""
    count = 0
    asked = (("ingredients", 3, 12_000), ("residuals", 2, 12_000), ("longer", 5, 36_000))
    for question, seeds, budget in asked:
        sweep = importlib.import_module("configs.sweeps.wild").get_config(question)
        assert tuple(sweep.deliveries) == ("clean", "web", "hard")
        runs = grid.expand(sweep)
        count += len(runs)
        assert len({run.variant for run in runs}) * seeds == len(runs)
        budgets = {run.config.data.images_per_epoch * run.config.num_epochs for run in runs}
        assert budgets == {budget}
    assert count == 146
    with pytest.raises(ValueError, match=r"wild.py:all; expected one of ingr.*, longer$"):
        importlib.import_module("configs.sweeps.wild").get_config("all")
