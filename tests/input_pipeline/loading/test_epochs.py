"""What an epoch draws of groups of records, counted; the same for any way of reading it."""

import collections
import itertools
import json
import pickle

import numpy as np
import pytest

from input_pipeline.loading.epochs import EpochBatches
from input_pipeline.loading.pipeline import train_iterator
from input_pipeline.loading.sampling import Groups
from input_pipeline.storage.records import ImageRecord, encode_record
from input_pipeline.storage.tfrecord import TFRecordSource, new_shard

EDGE = 12


def groups_of(sizes, quotas, **settings):
    """Groups of record numbers in a mixed order."""
    members = np.random.default_rng(0).permutation(sum(sizes))
    return Groups(members, np.array(sizes), np.array(quotas), settings)


def epochs(groups, count, seed=5, batch_size=8):
    """The records of some epochs in their order, and how many batches each has."""
    batches = EpochBatches(groups, seed, batch_size, 0, 1)
    drawn = []
    for epoch in range(count):
        rows = [batches[epoch * len(batches) + i][1] for i in range(len(batches))]
        rows = np.concatenate(rows)
        drawn.append(rows[rows >= 0].tolist())
    return drawn


@pytest.mark.parametrize("groups", [None, Groups.whole(22)])
def test_one_group_is_the_known_permutation(source, groups):
    """The shuffle of earlier versions: raw Philox bits, keyed by seed and epoch, sorted."""
    key = int(np.random.SeedSequence([5, 1]).generate_state(1)[0])
    batches = take(train_iterator(source, batch_size=8, seed=5, resize=0, groups=groups), 9)
    for epoch in range(3):
        order = np.argsort(np.random.Philox(key=[key, epoch]).random_raw(22), kind="stable")
        found = [index for batch in batches[3 * epoch : 3 * epoch + 3] for index in indices(batch)]
        assert found == order.tolist()


@pytest.mark.parametrize(
    ("sizes", "quotas"),
    [((7, 30, 3), (10, 4, 6)), ((5,), (12,)), ((40,), (7,)), ((1, 1, 20), (9, 0, 11))],
)
def test_an_epoch_draws_the_quota_of_each_group_and_nothing_repeats_early(sizes, quotas):
    groups = groups_of(sizes, quotas)
    assert groups.images_per_epoch == sum(quotas)
    ends = np.cumsum(sizes)
    seen = collections.Counter()
    orders = epochs(groups, 25)
    for number, drawn in enumerate(orders, start=1):
        assert len(drawn) == sum(quotas)
        seen.update(drawn)
        for begin, end, quota in zip(ends - sizes, ends, quotas, strict=True):
            members = groups.members[begin:end].tolist()
            counts = [seen[member] for member in members]
            assert sum(counts) == number * quota
            # All others were drawn before one is drawn again.
            assert max(counts) - min(counts) <= 1
    assert orders[0] != orders[1]
    assert epochs(groups, 2, seed=6) != orders[:2]


def test_draws_are_shuffled_and_not_the_same_every_time():
    """Any member may come first, and any may be among the quota of an epoch."""
    orders = epochs(groups_of((10, 30), (5, 5)), 200)
    assert len({order[0] for order in orders}) == 40
    members = set(groups_of((10, 30), (5, 5)).members[:10].tolist())
    pairs = collections.Counter(
        frozenset(p) for o in orders[::2] for p in itertools.combinations(members & set(o), 2)
    )
    # 100 times 5 of 10: each of the 45 pairs 22 times on average, four standard deviations are 17.
    assert len(pairs) == 45
    assert max(pairs.values()) < 40
    places = [place for order in orders for place, i in enumerate(order) if i in members]
    assert abs(np.mean(places) - 4.5) < 0.4  # four standard errors of 1000 places in 0 to 9


def test_a_batch_is_a_function_of_its_number():
    groups = groups_of((7, 30, 3), (10, 4, 6))
    batches = EpochBatches(groups, 1, 8, 0, 1)
    forward = [batches[i] for i in range(30)]
    for number in np.random.default_rng(1).permutation(30).tolist():
        fresh = pickle.loads(pickle.dumps(batches))
        for other in (batches, fresh):
            np.testing.assert_array_equal(other[number], forward[number])


def test_what_is_sent_to_workers_grows_by_a_number_per_record():
    small, large = (
        len(pickle.dumps(EpochBatches(groups_of((n, n), (n, n)), 0, 8, 0, 1)))
        for n in (1000, 11_000)
    )
    assert large - small < 20_000 * 8 * 1.1


def png_free_record(index):
    pixels = np.random.default_rng(index).integers(0, 256, (EDGE, EDGE, 3), np.uint8)
    pixels[0, 0, 0] = index
    return ImageRecord(pixels.tobytes(), "decoded", EDGE, EDGE, index % 2, "g", f"{index}.png")


@pytest.fixture
def source(tmp_path):
    with new_shard(tmp_path / "shard") as writer:
        for index in range(22):
            writer.write(encode_record(png_free_record(index)))
    return TFRecordSource([tmp_path / "shard"])


def indices(batch):
    return [int(i) for i, m in zip(batch["image"][:, 0, 0, 0], batch["mask"], strict=True) if m]


def take(iterator, count):
    batches = list(itertools.islice(iterator, count))
    iterator.close()
    return batches


def same(first, second):
    for a, b in zip(first, second, strict=True):
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])


SETTINGS = {"batch_size": 4, "seed": 3, "resize": 0, "host_crop": 8, "reencode": (60, 90)}


def test_the_same_bytes_for_any_workers_and_processes_and_after_a_restore(source):
    groups = groups_of((6, 12, 4), (8, 3, 11))
    expected = take(train_iterator(source, **SETTINGS, groups=groups), 14)
    for prefetch in (0, 3):
        same(
            take(train_iterator(source, **SETTINGS, groups=groups, prefetch=prefetch), 14), expected
        )
    parts = [
        take(
            train_iterator(source, **SETTINGS, groups=groups, process_index=i, process_count=2), 14
        )
        for i in range(2)
    ]
    for step, batch in enumerate(expected):
        for key in batch:
            joined = np.concatenate([part[step][key] for part in parts])
            np.testing.assert_array_equal(joined, batch[key])
    state, done = None, 0
    for workers in (1, 0, 2):
        iterator = train_iterator(source, **SETTINGS, groups=groups, workers=workers)
        if state is not None:
            iterator.set_state(state)
        same([next(iterator) for _ in range(4)], expected[done : done + 4])
        state, done = json.loads(json.dumps(iterator.get_state())), done + 4
        iterator.close()


def test_an_image_that_repeats_in_an_epoch_is_cropped_anew(source):
    only = source.subset(np.array([3]))
    settings = {"batch_size": 8, "seed": 0, "resize": 0, "host_crop": 8}
    [batch] = take(train_iterator(only, **settings, groups=groups_of((1,), (8,))), 1)
    assert batch["mask"].all()
    assert len({image.tobytes() for image in batch["image"]}) > 3


def test_a_state_of_other_groups_is_refused(source):
    drawn = groups_of((11, 11), (16, 6), balance="label", weights=[3, 1])
    other = groups_of((11, 11), (6, 16), balance="label", weights=[1, 3])
    state = train_iterator(source, **SETTINGS, groups=drawn).get_state()
    state = json.loads(json.dumps(state))
    train_iterator(source, **SETTINGS, groups=drawn).set_state(state)
    with pytest.raises(ValueError, match=r"weights was \[3, 1\], is \[1, 3\]\. Set them as"):
        train_iterator(source, **SETTINGS, groups=other).set_state(state)
    with pytest.raises(ValueError, match="balance was 'label', is None"):
        train_iterator(source, **SETTINGS).set_state(state)
