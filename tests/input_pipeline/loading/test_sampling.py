"""Subsets, caps, weights and balance, against counts made by hand."""

import collections
import itertools

import numpy as np
import pytest

from input_pipeline.loading.epochs import EpochBatches
from input_pipeline.loading.sampling import Sampling, apportion, balance, sample, select
from input_pipeline.storage.record_table import RecordTable

# (data set, generator, class, label): images. Uneven in every respect.
KINDS = {
    (0, "photos", "car", 0): 40,
    (0, "photos", "cat", 0): 10,
    (0, "progan", "car", 1): 100,
    (0, "progan", "cat", 1): 20,
    (0, "biggan", "", 1): 30,
    (1, "photos", "", 0): 60,
    (1, "sdxl", "", 1): 5,
    (1, "progan", "car", 1): 7,
}


def table_of(kinds):
    """A table of so many images of each kind, in a mixed order, and the kind of each."""
    rows = [(kind, f"{kind}/{i}.png") for kind, count in kinds.items() for i in range(count)]
    rows = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    generators = tuple(sorted({generator for _, generator, _, _ in kinds}))
    classes = tuple(sorted({name for _, _, name, _ in kinds}))
    names = [name.encode() for _, name in rows]
    table = RecordTable(
        names=np.frombuffer(b"".join(names), np.uint8),
        ends=np.cumsum([len(name) for name in names]),
        labels=np.array([kind[3] for kind, _ in rows], np.uint8),
        generators=np.array([generators.index(kind[1]) for kind, _ in rows], np.int32),
        classes=np.array([classes.index(kind[2]) for kind, _ in rows], np.int32),
        datasets=np.array([kind[0] for kind, _ in rows], np.int32),
        generator_names=generators,
        class_names=classes,
        pairs=np.zeros(len(rows), np.int32),
        pair_names=("",),
    )
    return table, [kind for kind, _ in rows]


@pytest.fixture(scope="module")
def mixed():
    return table_of(KINDS)


def everything(table):
    return np.arange(len(table))


def chosen(table, fraction=1.0, cap=0, seed=0, among=None):
    among = everything(table) if among is None else among
    return select(table, among, fraction=fraction, max_per_class=cap, seed=seed)


def shares(table, kinds, by="", weights=()):
    """How many images of each kind the first epoch has, through the batches themselves."""
    groups = balance(table, everything(table), weights=weights, by=by)
    batches = EpochBatches(groups, 0, 16, 0, 1)
    drawn = np.concatenate([batches[i][1] for i in range(len(batches))])
    drawn = drawn[drawn >= 0]
    assert len(drawn) == len(table)
    return collections.Counter(kinds[i] for i in drawn.tolist())


def total(counts, **wanted):
    """Images of the kinds whose fields have these values."""
    fields = ("dataset", "generator", "name", "label")
    places = {fields.index(key): value for key, value in wanted.items()}
    return sum(n for kind, n in counts.items() if all(kind[i] == v for i, v in places.items()))


@pytest.mark.parametrize("fraction", [0.03, 0.1, 0.2, 0.5, 1.0])
def test_a_subset_takes_its_share_of_every_kind(mixed, fraction):
    table, kinds = mixed
    taken = collections.Counter(kinds[i] for i in chosen(table, fraction).tolist())
    assert taken.keys() == KINDS.keys()
    for kind, count in KINDS.items():
        assert taken[kind] >= 1
        assert abs(taken[kind] - fraction * count) <= max(0.5, 1 - fraction * count)


def test_subsets_are_nested_and_seeded(mixed):
    table, _ = mixed
    subsets = [set(chosen(table, f).tolist()) for f in (0.05, 0.1, 0.11, 0.2, 0.6, 1.0)]
    for smaller, larger in itertools.pairwise(subsets):
        assert smaller <= larger
    assert len(subsets[1]) < len(subsets[3]) < len(table)
    assert set(chosen(table, 0.2, seed=1).tolist()) != subsets[3]
    assert chosen(table, 0.2).tolist() == sorted(subsets[3])


def test_further_images_move_few_others(mixed):
    table, _ = mixed
    fewer = np.delete(everything(table), [3, 77, 200])
    before = set(chosen(table, 0.3, among=fewer).tolist())
    after = set(chosen(table, 0.3).tolist())
    assert len(before - after) <= 3
    assert len(after - before) <= 6


def test_a_cap_holds_for_every_kind(mixed):
    table, kinds = mixed
    taken = collections.Counter(kinds[i] for i in chosen(table, cap=12).tolist())
    assert taken == {kind: min(12, count) for kind, count in KINDS.items()}
    both = collections.Counter(kinds[i] for i in chosen(table, 0.5, cap=12).tolist())
    assert both[0, "progan", "car", 1] == 12
    assert both[0, "progan", "cat", 1] == 10
    assert set(chosen(table, cap=4).tolist()) <= set(chosen(table, cap=12).tolist())
    # A cap and a share go by the same order: 20 of 100 are 0.2 of them.
    where = [i for i, kind in enumerate(kinds) if kind == (0, "progan", "car", 1)]
    share, cap = (set(c.tolist()) & set(where) for c in (chosen(table, 0.2), chosen(table, cap=20)))
    assert share == cap


def test_weights_are_shares_of_the_epoch(mixed):
    table, kinds = mixed
    counts = shares(table, kinds, weights=(3, 1))
    assert sum(counts.values()) == sum(KINDS.values()) == 272
    assert (total(counts, dataset=0), total(counts, dataset=1)) == (204, 68)
    counts = shares(table, kinds, weights=(0.2, 0.8))
    assert abs(total(counts, dataset=1) - 0.8 * 272) <= 1
    # Without weights every image comes once.
    assert shares(table, kinds) == KINDS


def test_balance_by_label(mixed):
    table, kinds = mixed
    counts = shares(table, kinds, "label")
    assert (total(counts, label=0), total(counts, label=1)) == (136, 136)


def test_balance_by_generator(mixed):
    table, kinds = mixed
    counts = shares(table, kinds, "generator")
    for dataset in (0, 1):  # two sources of photographs
        assert total(counts, dataset=dataset, generator="photos") == 68
    for dataset, name in ((0, "progan"), (0, "biggan"), (1, "sdxl"), (1, "progan")):
        assert total(counts, dataset=dataset, generator=name) == 34


def test_a_power_tempers_the_balance():
    """250 images of each label: of 256 and 144 photographs, of 64 and 36 generated images."""
    table, kinds = table_of(
        {(0, "a", "", 0): 256, (0, "b", "", 0): 144, (0, "c", "", 1): 64, (0, "d", "", 1): 36}
    )
    # By the roots 16 : 12 and 8 : 6.
    expected = {0.0: [125] * 4, 0.5: [143, 107] * 2, 1.0: [160, 90] * 2}
    for power, wanted in expected.items():
        groups = balance(table, everything(table), weights=(), by="generator", power=power)
        assert [kinds[groups.members[i]][1] for i in np.cumsum(groups.sizes) - 1] == list("abcd")
        assert groups.quotas.tolist() == wanted


def test_balance_by_class(mixed):
    table, kinds = mixed
    counts = shares(table, kinds, "class")
    for kind in KINDS:
        expected = 136 / (3 if kind[3] == 0 else 5)
        assert abs(counts[kind] - expected) < 1


def test_weights_decide_between_data_sets_and_balance_within(mixed):
    table, kinds = mixed
    counts = shares(table, kinds, "generator", (1, 3))
    assert total(counts, dataset=0, generator="photos") == 34
    assert total(counts, dataset=0, generator="progan") == 17
    assert total(counts, dataset=0, generator="biggan") == 17
    assert total(counts, dataset=1, generator="photos") == 102
    assert total(counts, dataset=1, generator="progan") == 51
    assert total(counts, dataset=1, generator="sdxl") == 51


def test_a_weighted_data_set_of_one_label_gives_it_all_its_share():
    table, kinds = table_of({(0, "p", "", 0): 30, (1, "g", "", 1): 10, (1, "h", "", 1): 60})
    counts = shares(table, kinds, "generator", (1, 1))
    assert counts == {(0, "p", "", 0): 50, (1, "g", "", 1): 25, (1, "h", "", 1): 25}


def test_rare_groups_come_once_at_least():
    table, kinds = table_of({(0, "p", "", 0): 99, (1, "g", "", 1): 1})
    assert shares(table, kinds, weights=(10_000, 1))[1, "g", "", 1] == 1
    many = {(0, f"g{i}", "", 1): 1 for i in range(9)} | {(0, "p", "", 0): 1}
    assert shares(*table_of(many), "generator") == dict.fromkeys(many, 1)


@pytest.mark.parametrize("count", [10, 11, 97, 1000])
def test_largest_remainders(count):
    """Every count is the share rounded down or up, rounded up where most is lost."""
    weights = np.random.default_rng(count).uniform(0.5, 1.5, 7)
    weights /= weights.sum()
    counts = apportion(weights, count)
    assert counts.sum() == count
    lost = weights * count - np.floor(weights * count)
    up = counts - np.floor(weights * count)
    assert set(up.tolist()) <= {0, 1}
    if 0 < up.sum() < 7 and (weights * count >= 1).all():
        assert lost[up == 1].min() >= lost[up == 0].max()


def test_the_table_is_not_read_where_nothing_is_chosen():
    def table():
        raise AssertionError

    records, groups = sample(table, np.arange(3, 8), Sampling(), seed=0)
    assert records.tolist() == [3, 4, 5, 6, 7]
    assert (groups.members.tolist(), groups.quotas.tolist()) == ([0, 1, 2, 3, 4], [5])


def test_an_epoch_is_as_long_as_the_subset(mixed):
    table, kinds = mixed
    settings = Sampling(fraction=0.5, max_per_class=15, weights=(1, 1), balance="label")
    records, groups = sample(lambda: table, everything(table), settings, seed=2)
    caps = {kind: min(15, round(count / 2)) for kind, count in KINDS.items()}
    assert len(records) == groups.images_per_epoch
    assert abs(len(records) - sum(caps.values())) <= 2  # where half an image is rounded
    assert sorted(groups.members.tolist()) == list(range(len(records)))
    assert groups.settings["weights"] == [1, 1]
    drawn = {kinds[records[i]] for i in groups.members}
    assert drawn == KINDS.keys()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fraction": 0}, r"data\.fraction is 0; it must lie above 0"),
        ({"fraction": 1.5}, r"data\.fraction is 1\.5"),
        ({"max_per_class": -1}, r"data\.max_per_class is -1"),
        ({"weights": (1, 0)}, r"data\.weights is \(1, 0\); all must be positive"),
        ({"balance_power": 2}, r"data\.balance_power is 2; allowed is 0 to 1"),
        ({"balance": "size"}, r"data\.balance is 'size'; allowed are"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Sampling(**settings)


def test_images_that_cannot_be_balanced_are_refused():
    table, _ = table_of({(0, "g", "", 1): 5, (1, "h", "", 1): 5})
    with pytest.raises(ValueError, match=r"balance is 'label', but the images .* one label only"):
        balance(table, everything(table), weights=(), by="label")
    only_first = np.flatnonzero(table.datasets == 0)
    with pytest.raises(ValueError, match="gives data set 2 of 2 a share, but no image of it"):
        balance(table, only_first, weights=(1, 1), by="")
