"""Couples: who stands beside whom, how often, and that both undergo the same."""

import dataclasses

import numpy as np
import pytest

from input_pipeline.errors import UserError
from input_pipeline.images.random_delivery import RandomDelivery
from input_pipeline.loading.couples import CoupleBatches, Couples, couples_of
from input_pipeline.loading.pipeline import train_iterator
from input_pipeline.loading.readers import Blend
from input_pipeline.loading.sampling import Groups
from input_pipeline.storage.record_table import read_table
from input_pipeline.storage.records import ImageRecord, encode_record
from input_pipeline.storage.tfrecord import TFRecordSource, new_shard

PHOTOGRAPHS, GENERATED, PAIRED = 12, 6, 4  # records in this order; the last were made from some
LABELS = np.array([0] * PHOTOGRAPHS + [1] * (GENERATED + PAIRED), np.uint8)
ORIGINALS = np.array([-1] * (PHOTOGRAPHS + GENERATED) + [3, 4, 5, 5])
COUPLES = Couples(LABELS, ORIGINALS)
GROUPS = Groups(np.arange(22), np.array([PHOTOGRAPHS, GENERATED, PAIRED]), np.array([20, 10, 10]))

STILL = RandomDelivery(
    thumbnail_probability=0,
    scale_probability=0,
    blur_probability=0,
    noise_probability=0,
    jpeg_probability=0,
    webp_probability=0,
    second_jpeg_probability=0,
)


def batches(processes=1, process=0, seed=0):
    return CoupleBatches(GROUPS, COUPLES, seed, 8, process, processes)


def epoch(number, **options):
    own = batches(**options)
    return np.concatenate([own[number * len(own) + i][1] for i in range(len(own))])


def test_photographs_and_generated_images_take_turns():
    records = epoch(0)
    real = records[records >= 0].reshape(-1, 2)
    assert len(real) == 20
    assert (LABELS[real[:, 0]] == 0).all()
    assert (LABELS[real[:, 1]] == 1).all()
    made_from = ORIGINALS[real[:, 1]]
    assert (real[made_from >= 0, 0] == made_from[made_from >= 0]).all()
    # Half of the generated ones are of pairs, as the quotas say.
    assert (made_from >= 0).sum() == 10


def test_a_generated_image_meets_many_photographs():
    met = {}
    for number in range(30):
        records = epoch(number)
        for photograph, generated in records[records >= 0].reshape(-1, 2):
            met.setdefault(int(generated), set()).add(int(photograph))
    unpaired = range(PHOTOGRAPHS, PHOTOGRAPHS + GENERATED)
    assert all(len(met[record]) >= 10 for record in unpaired)
    assert all(met[record] == {ORIGINALS[record]} for record in range(18, 22))


def test_processes_share_a_batch_in_couples():
    for index in range(6):
        whole = batches()[index]
        parts = [batches(2, process)[index] for process in (0, 1)]
        for of_all, first, second in zip(whole, *parts, strict=True):
            assert np.array_equal(of_all, np.concatenate([first, second]))


def test_two_views_of_a_couple_stand_side_by_side(source):
    """The same two images, other places of them; an epoch has as many rows as before."""
    twice = Couples(LABELS, ORIGINALS, views=2)
    own = CoupleBatches(GROUPS, twice, 0, 8, 0, 1)
    assert len(own) == len(batches())
    positions, records = own[0]
    assert np.array_equal(records.reshape(2, 2, 2)[:, 0], records.reshape(2, 2, 2)[:, 1])
    assert len(set(positions.tolist())) == 4
    images = train_iterator(
        source,
        batch_size=8,
        seed=0,
        resize=0,
        host_crop=32,
        groups=GROUPS,
        couples=twice,
        random_delivery=RandomDelivery(),
    )
    rows = next(images)["image"].reshape(2, 2, 2, 32, 32, 3)
    images.close()
    assert all((rows[couple, 0] != rows[couple, 1]).any() for couple in (0, 1))


def test_what_cannot_be_coupled_is_refused():
    with pytest.raises(
        UserError, match="batch size is 6; couples in 1 views need a multiple of 2 for each of 2"
    ):
        CoupleBatches(GROUPS, COUPLES, 0, 6, 0, 2)
    only = Groups(np.arange(12), np.array([12]), np.array([12]))
    with pytest.raises(UserError, match="there are none with label 1"):
        CoupleBatches(only, COUPLES, 0, 8, 0, 1)


def pixels_of(record):
    """Twice the same scene for a pair: its photograph, and that made darker."""
    scene = record if ORIGINALS[record] < 0 else ORIGINALS[record]
    image = np.random.default_rng(int(scene)).integers(100, 200, (64, 64, 3))
    return (image - (0 if ORIGINALS[record] < 0 else 60)).astype(np.uint8)


@pytest.fixture
def source(tmp_path):
    with new_shard(tmp_path / "shard") as writer:
        for record in range(22):
            image = pixels_of(record)
            writer.write(
                encode_record(
                    ImageRecord(
                        image.tobytes(), "decoded", 64, 64, int(LABELS[record]), "g", f"{record}"
                    )
                )
            )
    return TFRecordSource([tmp_path / "shard"])


def rows_of_pairs(source, count=12, **options):
    """Photographs and reconstructions of the first batches, and where they stand."""
    images = train_iterator(
        source,
        batch_size=8,
        seed=5,
        resize=0,
        host_crop=32,
        groups=GROUPS,
        couples=COUPLES,
        **options,
    )
    order, found = batches(seed=5), []
    for index in range(count):
        batch = next(images)
        records = order[index][1]
        for row in range(1, 8, 2):
            if records[row] >= 0 and ORIGINALS[records[row]] >= 0:
                found.append(batch["image"][row - 1 : row + 1].astype(int))
    images.close()
    return np.array(found)


def test_both_of_a_pair_undergo_the_same(source):
    """Noise and place alike: without saving, the two differ by what they differed before."""
    noisy = dataclasses.replace(STILL, noise_probability=1)
    rows = rows_of_pairs(source, random_delivery=noisy)
    assert len(rows) > 10
    assert (rows[:, 0] - rows[:, 1] == 60).all()


def test_a_blend_lies_between_the_photograph_and_its_reconstruction(source):
    blend = Blend(ORIGINALS, 0.5, (0.2, 0.8))
    rows = rows_of_pairs(source, count=40, random_delivery=STILL, blend=blend)
    kept = (rows[:, 0] - rows[:, 1]).mean((1, 2, 3)) / 60
    whole = np.isclose(kept, 1)
    assert 0.3 < whole.mean() < 0.7
    assert (kept[~whole] > 0.19).all()
    assert (kept[~whole] < 0.81).all()


def test_a_prepared_data_set_says_which_photograph_an_image_was_made_from(tmp_path):
    with new_shard(tmp_path / "pairs") as writer:
        for name, label, pair in (("a", 0, "x"), ("b", 1, "x"), ("c", 0, "y"), ("d", 1, "z")):
            pixels = np.zeros((4, 4, 3), np.uint8).tobytes()
            writer.write(
                encode_record(ImageRecord(pixels, "decoded", 4, 4, label, "g", name, pair=pair))
            )
    table = read_table(TFRecordSource([tmp_path / "pairs"]))
    assert couples_of(table, np.arange(4)).originals.tolist() == [-1, 0, -1, -1]
    # Places are those of the records that are trained on.
    assert couples_of(table, np.array([1, 2, 0])).originals.tolist() == [2, -1, -1]


def test_what_is_kept_in_memory_changes_no_batch(source):
    def first(cache_bytes):
        images = train_iterator(
            source,
            batch_size=8,
            seed=3,
            resize=0,
            host_crop=32,
            groups=GROUPS,
            couples=COUPLES,
            random_delivery=RandomDelivery(),
            blend=Blend(ORIGINALS, 0.5, (0.2, 0.8)),
            cache_bytes=cache_bytes,
        )
        found = np.concatenate([next(images)["image"] for _ in range(8)])
        images.close()
        return found

    # Nothing, about half of the 22 images of 12,288 bytes, all.
    assert np.array_equal(first(0), first(150_000))
    assert np.array_equal(first(0), first(10**6))
