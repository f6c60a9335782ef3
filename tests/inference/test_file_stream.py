"""Files in, results out, in order, whatever their number."""

import itertools

import numpy as np

from input_pipeline.images.problems import UnreadableImageError
from npr_jax.inference.file_stream import AHEAD, in_order, read_pixels
from npr_jax.inference.scorer import Scored
from npr_jax.inference.verdict import ImageScore

BEHIND = 8


class FirstByte:
    """A file's first byte for its pixels; one without has none."""

    def decode(self, data):
        if not data:
            raise UnreadableImageError("empty")
        return np.frombuffer(data, np.uint8)

    def __call__(self, image):
        return image


def backwards(images):
    """Scores so many images in one go, the last one first."""
    held, position = [], 0
    for image in images:
        if image is not None:
            held.append(Scored(position, float(image[0]), None))
            position += 1
        if len(held) == BEHIND:
            yield from reversed(held)
            held = []
        yield None
    yield from held


def results(files):
    def judge(name, scored):
        return ImageScore(name, scored.logit, "", "")

    return in_order(read_pixels(files, FirstByte()), backwards, judge)


def test_of_files_without_end_no_more_are_taken_than_are_being_scored():
    taken = []

    def files():
        for number in itertools.count():
            taken.append(number)
            yield str(number), lambda n=number: bytes([n % 256])

    for number, result in zip(range(1000), results(files()), strict=False):
        assert (result.path, result.score) == (str(number), number % 256)
    assert len(taken) <= 1000 + BEHIND + AHEAD + 1


def test_a_broken_file_waits_for_none_after_it():
    """Where nothing is being scored its row is known at once."""
    files = ((str(number), bytes) for number in itertools.count())
    first = next(results(files))
    assert (first.path, first.error) == ("0", "empty")


def test_all_that_is_left_comes_in_the_end():
    files = [(str(number), lambda n=number: bytes([n] * (n % 3))) for number in range(20)]
    assert [result.path for result in results(files)] == [str(number) for number in range(20)]
