"""Training batches and ordered evaluation."""

import io
import itertools
import json
from types import SimpleNamespace

import grain
import numpy as np
import orbax.checkpoint as ocp
import pytest
from PIL import Image

from input_pipeline.images.preprocessing import Preprocessing, middle_quality
from input_pipeline.loading.epochs import steps_per_epoch
from input_pipeline.loading.pipeline import evaluation_images, train_iterator
from input_pipeline.loading.sampling import held_out
from input_pipeline.storage.record_table import read_table
from input_pipeline.storage.tfrecord import CorruptRecordError, TFRecordSource
from tests.input_pipeline.loading.small_sets import EDGE, assert_same, pixels, take, write


@pytest.fixture
def source(tmp_path):
    return write(tmp_path, 22)


def indices(batch):
    """Record numbers of a batch, blank rows left out."""
    firsts = batch["image"][:, 0, 0].astype(int)
    return [int(a * 256 + b) for (a, b, _), mask in zip(firsts, batch["mask"], strict=True) if mask]


def epoch_of(batches):
    return list(itertools.chain.from_iterable(map(indices, batches)))


def test_every_epoch_is_a_new_permutation_of_all_records(source):
    batches = take(train_iterator(source, batch_size=8, seed=5, resize=0), 9)
    assert steps_per_epoch(22, 8) == 3
    epochs = [epoch_of(batches[i : i + 3]) for i in (0, 3, 6)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(22))
    assert epochs[0] != epochs[1] != epochs[2] != list(range(22))
    for batch in batches:
        assert batch["image"].shape == (8, EDGE, EDGE, 3)
        assert {key: value.dtype.name for key, value in batch.items()} == {
            "image": "uint8",
            "label": "int32",
            "mask": "float32",
        }
        for row, index in enumerate(indices(batch)):
            np.testing.assert_array_equal(batch["image"][row], pixels(index))
            assert batch["label"][row] == index % 2
    np.testing.assert_array_equal(batches[2]["mask"], [1, 1, 1, 1, 1, 1, 0, 0])
    assert not batches[2]["image"][6:].any()
    assert not batches[2]["label"][6:].any()
    other = take(train_iterator(source, batch_size=8, seed=6, resize=0), 3)
    assert epoch_of(other) != epochs[0]


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_each_batch(source, processes):
    settings = {"batch_size": 8, "seed": 5, "resize": 0, "host_crop": 8, "reencode": (60, 90)}
    whole = take(train_iterator(source, **settings), 4)
    parts = [
        take(
            train_iterator(source, **settings, process_index=i, process_count=processes),
            4,
        )
        for i in range(processes)
    ]
    for step, expected in enumerate(whole):
        for key in expected:
            shares = [part[step][key] for part in parts]
            assert {len(share) for share in shares} == {8 // processes}
            np.testing.assert_array_equal(np.concatenate(shares), expected[key])


def test_a_process_may_get_blank_rows_only(tmp_path):
    source = write(tmp_path, 9)
    last = take(
        train_iterator(
            source, batch_size=8, seed=0, resize=0, process_index=3, process_count=4, prefetch=0
        ),
        2,
    )[1]
    assert last["image"].shape == (2, EDGE, EDGE, 3)
    assert not any(value.any() for value in last.values())


def test_fewer_images_than_a_batch(tmp_path):
    batches = take(train_iterator(write(tmp_path, 3), batch_size=8, seed=0, resize=0), 2)
    for batch in batches:
        assert sorted(indices(batch)) == [0, 1, 2]
        assert batch["mask"].sum() == 3


@pytest.fixture
def files(tmp_path):
    """Image files of two sizes, and settings that draw on every random choice."""
    settings = {"batch_size": 4, "seed": 1, "resize": 16, "host_crop": 10, "reencode": (30, 95)}
    return write(tmp_path, 22, "encoded", ((20, 18), (30, 24))), settings


def test_the_same_batches_for_any_number_of_threads(files):
    source, settings = files
    expected = take(train_iterator(source, **settings, prefetch=0), 13)
    for prefetch in (1, 2, 6):
        assert_same(take(train_iterator(source, **settings, prefetch=prefetch), 13), expected)


def test_a_restored_iterator_continues_bit_for_bit_with_0_and_2_workers(files):
    """Also with another number of workers than the iterator that was saved."""
    source, settings = files
    expected = take(train_iterator(source, **settings), 15)
    done, state = 0, None
    for workers in (0, 0, 2, 0):
        iterator = train_iterator(source, **settings, workers=workers)
        if state is not None:
            iterator.set_state(state)
        assert_same([next(iterator) for _ in range(3)], expected[done : done + 3])
        done += 3
        state = json.loads(json.dumps(iterator.get_state()))
        next(iterator)  # a batch after the save is given again after the restore
        iterator.set_state(state)
        assert_same([next(iterator)], expected[done : done + 1])
        iterator.close()


def test_orbax_saves_the_iterator(source, tmp_path):
    settings = {"batch_size": 4, "seed": 1, "resize": 0}
    expected = take(train_iterator(source, **settings), 6)
    iterator = train_iterator(source, **settings)
    for _ in range(3):
        next(iterator)
    path = tmp_path / "checkpoints"
    with ocp.CheckpointManager(path) as manager:
        manager.save(1, args=ocp.args.Composite(data=grain.checkpoint.CheckpointSave(iterator)))
        manager.wait_until_finished()
        iterator.close()
        fresh = train_iterator(source, **settings)
        manager.restore(1, args=ocp.args.Composite(data=grain.checkpoint.CheckpointRestore(fresh)))
    assert_same(take(fresh, 3), expected[3:])


def test_a_state_of_other_data_or_settings_is_refused(source, tmp_path):
    state = train_iterator(source, batch_size=4, seed=1, resize=0).get_state()
    other = train_iterator(source, batch_size=8, seed=2, resize=0)
    with pytest.raises(ValueError, match=r"batch_size was 4, is 8; seed was 1, is 2\. Set them"):
        other.set_state(state)
    (tmp_path / "more").mkdir()
    (tmp_path / "same").mkdir()
    again = train_iterator(write(tmp_path / "same", 22), batch_size=4, seed=1, resize=0)
    again.set_state(state)  # the same data elsewhere
    (tmp_path / "files").mkdir()
    files = write(tmp_path / "files", 22, "encoded")
    with pytest.raises(ValueError, match="cannot continue from this checkpoint: data was"):
        train_iterator(files, batch_size=4, seed=1, resize=0).set_state(state)
    more = train_iterator(write(tmp_path / "more", 23), batch_size=4, seed=1, resize=0)
    with pytest.raises(ValueError, match="images was 22, is 23"):
        more.set_state(state)


def test_images_are_squashed_then_cropped(tmp_path):
    source = write(tmp_path, 6, "encoded", ((20, 30), (25, 9)))
    batch = take(train_iterator(source, batch_size=6, seed=0, resize=16), 1)[0]
    possible = {}
    for index in range(6):
        image = Image.fromarray(pixels(index, *((20, 30), (25, 9))[index % 2]))
        possible[np.asarray(image.resize((16, 16), Image.BILINEAR)).tobytes()] = index
    assert sorted(possible[image.tobytes()] for image in batch["image"]) == list(range(6))

    cropped = take(train_iterator(source, batch_size=6, seed=0, resize=16, host_crop=11), 1)[0]
    assert cropped["image"].shape == (6, 11, 11, 3)
    for whole, crop in zip(batch["image"], cropped["image"], strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(whole, (11, 11, 3))
        assert (windows == crop).all(axis=(-1, -2, -3)).any()


def test_reencoding_covers_the_range_of_qualities_and_both_classes(tmp_path):
    """Each image of a batch is its original after JPEG at one of the qualities."""
    source = write(tmp_path, 12)
    batches = take(train_iterator(source, batch_size=12, seed=0, resize=0, reencode=(50, 52)), 6)
    table = {}
    for index, quality in itertools.product(range(12), (50, 51, 52)):
        buffer = io.BytesIO()
        Image.fromarray(pixels(index)).save(buffer, "JPEG", quality=quality, subsampling=2)
        decoded = np.asarray(Image.open(buffer)).tobytes()
        table.setdefault(decoded, set()).add((index, quality))
    found = [table[image.tobytes()] for batch in batches for image in batch["image"]]
    assert {index for names in found[:12] for index, _ in names} == set(range(12))
    for quality in (50, 51, 52):
        for label in (0, 1):
            assert any((i, q) for s in found for i, q in s if q == quality and i % 2 == label)


def test_images_of_different_sizes_need_a_resize_or_a_crop(tmp_path):
    source = write(tmp_path, 6, "decoded", ((20, 30), (25, 9)))
    iterator = train_iterator(source, batch_size=6, seed=0, resize=0)
    with pytest.raises(
        ValueError, match=r"cannot form a batch\. Set data\.resize or data\.host_crop"
    ):
        next(iterator)
    iterator.close()
    batch = take(train_iterator(source, batch_size=6, seed=0, resize=0, host_crop=12), 1)[0]
    assert batch["image"].shape == (6, 12, 12, 3)


def test_workers_are_refused_where_shared_memory_is_too_small(source, monkeypatch):
    def small(path):
        assert str(path) == "/dev/shm"
        return SimpleNamespace(f_bavail=10, f_frsize=512)

    monkeypatch.setattr("os.statvfs", small)
    iterator = train_iterator(source, batch_size=8, seed=0, resize=0, workers=2)
    with pytest.raises(ValueError, match=r"need about 0 MB of shared memory.*--shm-size"):
        next(iterator)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_corrupt_record_stops_training_by_name(source, workers):
    settings = {"batch_size": 2, "seed": 0, "resize": 0}
    healthy = take(train_iterator(source, **settings), 11)
    step = next(number for number, batch in enumerate(healthy) if 6 in indices(batch))
    assert step > 0
    with open(source.paths[0], "r+b") as file:
        file.seek(-60, 2)  # in the last of the 7 records of the first shard
        file.write(bytes(8))
    iterator = train_iterator(TFRecordSource(source.paths), **settings, workers=workers)
    for expected in healthy[:step]:
        assert_same([next(iterator)], [expected])
    with pytest.raises(CorruptRecordError, match="shard0: record 6 at byte"):
        next(iterator)
    iterator.close()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 9, "process_count": 2}, "batch size 9 does not divide over 2 processes"),
        ({"batch_size": 0}, "batch size 0"),
        ({"process_index": 2, "process_count": 2}, "process 2 of 2 is not possible"),
        ({"seed": -1}, "seed is -1"),
        ({"workers": -1}, r"data\.workers is -1"),
        ({"resize": 32, "host_crop": 40}, "crop is 40 pixels, but images are resized to 32"),
        ({"reencode": (90, 30)}, r"data\.reencode is \(90, 30\); give \(lowest, highest\)"),
        ({"reencode": (0, 101)}, r"data\.reencode is \(0, 101\)"),
        ({"resize_mode": "long_side"}, r"data\.resize_mode is 'long_side'; allowed are"),
        ({"small_images": "black"}, r"data\.small_images is 'black'; allowed are"),
    ],
)
def test_settings_that_cannot_work_are_refused(source, changes, message):
    with pytest.raises(ValueError, match=message):
        train_iterator(source, **{"batch_size": 8, "seed": 0, **changes})


def test_evaluation_yields_every_record_once_in_order(tmp_path):
    source = write(tmp_path, 11, "encoded", ((20, 30), (25, 9)))
    parts = [
        list(evaluation_images(source, workers=workers, process_index=i, process_count=3))
        for i, workers in enumerate((0, 2, 0))
    ]
    assert [[element["index"] for element in part] for part in parts] == [
        [0, 3, 6, 9],
        [1, 4, 7, 10],
        [2, 5, 8],
    ]
    for element in itertools.chain(*parts):
        index = element["index"]
        shape = ((20, 30), (25, 9))[index % 2]
        np.testing.assert_array_equal(element["image"], pixels(index, *shape))
        assert (element["label"], element["generator"]) == (index % 2, "g")
        assert element["filename"] == f"{index}.png"


def test_evaluation_prepares_as_it_is_told(tmp_path):
    source = write(tmp_path, 3, "encoded", ((40, 30),))
    image = Image.fromarray(pixels(1, 40, 30))
    squashed = np.asarray(image.resize((16, 16), Image.BILINEAR))

    def second(delivery="clean", **settings):
        way = Preprocessing(**settings)
        return list(evaluation_images(source, way, delivery=delivery))[1]["image"]

    np.testing.assert_array_equal(second(resize=16, crop=10), squashed[3:13, 3:13])
    for settings, quality in (
        ({"jpeg_quality": middle_quality((60, 90))}, 75),
        ({"delivery": "hard"}, 40),
    ):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality, subsampling=2)
        np.testing.assert_array_equal(second(**settings), np.asarray(Image.open(buffer)))
    assert second(crop=64).shape == (64, 64, 3)
    assert list(evaluation_images(source, process_index=5, process_count=6)) == []
    with pytest.raises(ValueError, match="delivery is 'fax'"):
        evaluation_images(source, delivery="fax")


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_cannot_be_scored_ends_an_evaluation_by_name(tmp_path, workers):
    source = write(tmp_path, 3, "encoded", ((40, 30),))
    with pytest.raises(ValueError, match=r"0\.png: too small: 40x30 pixels, at least 32x32"):
        list(evaluation_images(source, Preprocessing(resize=64, min_side=32), workers=workers))


def holdout(source, fraction, seed, side):
    """One side of a split."""
    held = held_out(read_table(source), fraction, seed)
    return source.subset(np.flatnonzero(held if side == "validation" else ~held))


def test_the_two_sides_of_a_hold_out_are_the_whole(tmp_path):
    source = write(tmp_path, 300)
    names = {}
    for side in ("train", "validation"):
        elements = evaluation_images(holdout(source, 0.2, 3, side))
        names[side] = [element["filename"] for element in elements]
    assert sorted(names["train"] + names["validation"]) == sorted(f"{i}.png" for i in range(300))
    assert 35 <= len(names["validation"]) <= 90  # four standard deviations around 60
    trained = take(
        train_iterator(holdout(source, 0.2, 3, "train"), batch_size=300, seed=0, resize=0), 1
    )[0]
    assert sorted(indices(trained)) == sorted(int(name[:-4]) for name in names["train"])

    (tmp_path / "part").mkdir()
    fewer = write(tmp_path / "part", 100)
    held = [e["filename"] for e in evaluation_images(holdout(fewer, 0.2, 3, "validation"))]
    assert held == [name for name in names["validation"] if int(name[:-4]) < 100]
    other = [e["filename"] for e in evaluation_images(holdout(fewer, 0.2, 4, "validation"))]
    assert other != held


def test_a_hold_out_that_leaves_one_side_empty_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Change the fraction, or prepare a validation split"):
        evaluation_images(holdout(write(tmp_path, 3), 0.001, 0, "validation"))


def test_a_division_that_is_none_is_refused(tmp_path):
    source = write(tmp_path, 3)
    with pytest.raises(ValueError, match=r"validation fraction is 1\.5"):
        holdout(source, 1.5, 0, "train")
