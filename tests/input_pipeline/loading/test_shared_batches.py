"""Batches that go through shared memory that is used again."""

from multiprocessing.shared_memory import SharedMemory

import numpy as np
import pytest

from input_pipeline.loading.shared_batches import PLACES, Hander, Place, Taker


def batch(number, side=8):
    return {
        "image": np.full((4, side, side, 3), number, np.uint8),
        "label": np.arange(4, dtype=np.int32),
    }


@pytest.fixture
def hand():
    return Hander()


@pytest.fixture
def take():
    taker = Taker()
    yield taker
    taker.close()


def test_places_are_used_again_and_what_was_taken_stays(hand, take):
    taken = [take(hand(batch(number))) for number in range(3 * PLACES)]
    for number, found in enumerate(taken):
        assert found.keys() == {"image", "label"}
        np.testing.assert_array_equal(found["image"], batch(number)["image"])
        np.testing.assert_array_equal(found["label"], [0, 1, 2, 3])


def test_a_batch_without_a_free_place_overwrites_none(hand, take):
    handed = [hand(batch(number)) for number in range(PLACES + 2)]
    in_places = [isinstance(element["image"], Place) for element in handed]
    assert in_places == [True] * PLACES + [False] * 2
    for number, element in enumerate(handed):
        np.testing.assert_array_equal(take(element)["image"], batch(number)["image"])
    assert isinstance(hand(batch(9))["image"], Place)


def test_batches_of_other_sizes_arrive_too(hand, take):
    handed = [hand(batch(number, side)) for number, side in enumerate((8, 4, 9, 8))]
    for number, (element, side) in enumerate(zip(handed, (8, 4, 9, 8), strict=True)):
        np.testing.assert_array_equal(take(element)["image"], batch(number, side)["image"])


def test_nothing_is_left_of_shared_memory_whether_batches_arrive_or_not(hand, take):
    arrived = hand(batch(0))
    take(arrived)
    lonely = Hander()
    lost = lonely(batch(1))
    del lonely
    for element in (arrived, lost):
        with pytest.raises(FileNotFoundError):
            SharedMemory(element["image"].memory)
