"""A sweep's config becomes the runs that one counts by hand, or one complete complaint."""

import ml_collections
import pytest

from configs import default, multiscale
from npr_jax.sweep import grid


def sweep(variants=(), axes=(), seeds=(0, 1)) -> ml_collections.ConfigDict:
    named = tuple({"name": name, "settings": settings} for name, settings in variants)
    return ml_collections.ConfigDict(
        {"base": default.get_config(), "variants": named, "grid": tuple(axes), "seeds": seeds}
    )


ALONE = (("0.25", {"model.factors": (0.25,)}), ("0.5", {"model.factors": (0.5,)}))
RATES = ("optimizer.learning_rate", (1e-4, 2e-4))


def test_variants_times_grid_times_seeds():
    runs = grid.expand(sweep(ALONE, [RATES, ("batch_size", (8, 16))], seeds=(3, 5)))

    found = [
        (r.config.model.factors, r.config.optimizer.learning_rate, r.config.batch_size, r.seed)
        for r in runs
    ]
    assert found == [
        ((0.25,), 1e-4, 8, 3), ((0.25,), 1e-4, 8, 5),
        ((0.25,), 1e-4, 16, 3), ((0.25,), 1e-4, 16, 5),
        ((0.25,), 2e-4, 8, 3), ((0.25,), 2e-4, 8, 5),
        ((0.25,), 2e-4, 16, 3), ((0.25,), 2e-4, 16, 5),
        ((0.5,), 1e-4, 8, 3), ((0.5,), 1e-4, 8, 5),
        ((0.5,), 1e-4, 16, 3), ((0.5,), 1e-4, 16, 5),
        ((0.5,), 2e-4, 8, 3), ((0.5,), 2e-4, 8, 5),
        ((0.5,), 2e-4, 16, 3), ((0.5,), 2e-4, 16, 5),
    ]  # fmt: skip
    assert runs[3].folder == "0.25,learning_rate=0.0001,batch_size=16/seed5"
    assert all(run.config.seed == run.seed for run in runs)
    assert len({run.folder for run in runs}) == 16


def test_variants_alone_and_grid_alone():
    assert [run.folder for run in grid.expand(sweep(ALONE))] == [
        "0.25/seed0",
        "0.25/seed1",
        "0.5/seed0",
        "0.5/seed1",
    ]
    factors = ("model.factors", ((0.25,), (0.75,)))
    assert [run.variant for run in grid.expand(sweep((), [factors], (0,)))] == [
        "factors=0.25",
        "factors=0.75",
    ]


def test_a_mapping_replaces_its_whole_section_and_types_may_change():
    model = default.get_config().model.to_dict() | {"factors": (0.75,)}
    variants = (("whole", {"model": model}), ("few", {"model.factors": [0.75]}))
    whole, few = grid.expand(sweep(variants, seeds=(0,)))
    assert whole.config.model.to_dict() == model
    assert list(few.config.model.factors) == [0.75]
    assert default.get_config().model.factors == (0.5,)


def test_all_problems_at_once():
    variants = (
        ("a/b", {"model.factor": (0.5,)}),
        ("late", {"num_epochs": 0, "seed": 7}),
        ("images", {"data.simulation.size": 64}),
        ("twice", {}),
        ("twice", {}),
    )
    with pytest.raises(ValueError) as error:
        grid.expand(sweep(variants))
    text = str(error.value)
    assert text.startswith("the sweep cannot be used:\n  ")
    for part in (
        "variant 'a/b': the name becomes a folder",
        "variant a/b: model.factor: no such setting",
        "variant late: num_epochs is 0; expected an integer of at least 1",
        "variant images: data.simulation is the same for all runs",
        "variant twice: given more than once",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": ()}, r"seeds is \(\); expected one or more integers"),
        ({"seeds": (0, 0)}, "seed 0: given more than once"),
        ({"seeds": (True,)}, "seeds is"),
        ({"variants": ()}, "variants and grid are both empty"),
        ({"variants": ({"name": "x"},)}, "variants: expected a tuple of"),
        ({"grid": (("batch_size",),)}, "grid is .* expected a tuple of"),
        ({"grid": (("batch_size", (8,)), ("batch_size", (9,)))}, "batch_size: given more than"),
        ({"sedes": (0,)}, "sedes: no such section; there are base, variants, grid, seeds"),
        ({"base": default.get_config().model}, "base: batch_size: missing"),
    ],
)
def test_what_cannot_be_used_is_named(changes, message):
    config = sweep(ALONE).to_dict() | changes
    with pytest.raises(ValueError, match=message):
        grid.expand(ml_collections.ConfigDict(config))


def test_settings_of_different_lengths_are_a_problem_of_their_variant():
    recipe = multiscale.get_config("mean").model.to_dict()
    variants = (("pairs", {"model": recipe | {"modes": ("nearest", "area")}}),)
    with pytest.raises(
        ValueError, match=r"variant pairs: .*model.factors has 3, model.modes has 2"
    ):
        grid.expand(sweep(variants))


def test_a_recipe_of_one_run_is_no_sweep():
    with pytest.raises(ValueError, match="it has no base: this is a recipe of one run"):
        grid.expand(default.get_config())


@pytest.mark.parametrize("count", [1, 2, 3, 7, 40])
@pytest.mark.parametrize("side_by_side", [1, 2, 5])
def test_shards_partition_the_grid(count, side_by_side):
    runs = grid.expand(sweep(ALONE, [RATES], seeds=(0, 1, 2)))
    groups = grid.batches(runs, side_by_side)
    shards = [grid.shard_of(groups, index, count) for index in range(count)]
    folders = [run.folder for shard in shards for group in shard for run in group]
    assert sorted(folders) == sorted(run.folder for run in runs)
    sizes = [len(shard) for shard in shards]
    assert max(sizes) - min(sizes) <= 1


def test_groups_differ_in_seed_and_learning_rate_alone():
    runs = grid.expand(sweep(ALONE, [RATES], seeds=(0, 1, 2)))
    groups = grid.batches(runs, 4)
    # Six runs of each factor, in fours.
    assert [len(group) for group in groups] == [4, 2, 4, 2]
    for group in groups:
        assert len({run.config.model.factors for run in group}) == 1
    rates = {run.config.optimizer.learning_rate for run in groups[0]}
    assert rates == {1e-4, 2e-4}


@pytest.mark.parametrize(
    "setting", [("optimizer.schedule", ("plateau",)), ("early_stopping_epochs", (3,))]
)
def test_runs_that_may_end_apart_go_one_by_one(setting):
    groups = grid.batches(grid.expand(sweep(ALONE, [setting])), 4)
    assert [len(group) for group in groups] == [1, 1, 1, 1]


def test_shards_count_from_zero():
    assert grid.parse_shard("") == (0, 1)
    assert grid.parse_shard("0/3") == (0, 3)
    assert grid.parse_shard("2/3") == (2, 3)


@pytest.mark.parametrize("text", ["3/3", "1", "a/b", "-1/2", "0/0", "1/2/3", "1.0/2", " 0/2"])
def test_wrong_shards_are_refused_in_one_line(text):
    with pytest.raises(ValueError, match=r"expected i/n with i from 0 to n - 1") as error:
        grid.parse_shard(text)
    assert f"--shard={text};" in str(error.value)
    assert "\n" not in str(error.value)


def test_side_by_side_is_a_count():
    with pytest.raises(ValueError, match="--side_by_side=0; expected an integer of at least 1"):
        grid.batches([], 0)
