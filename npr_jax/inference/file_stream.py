"""Files into the network and results out of it, in the order in which they were named."""

import collections
import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.images.preprocessing import Preprocessing
from npr_jax.inference.verdict import ImageScore, Scored

# Files decoded ahead of the network; each may be a large photograph, so few.
AHEAD = 4
# Gives a file's bytes, or of one that is decoded already its pixels, uint8 ``[h, w, 3]``; called
# once, in one of the threads.
Opener = Callable[[], bytes | memoryview | np.ndarray]
# A file's name and its pixels as they are scored, uint8 ``[h, w, 3]``, or why there are none.
Outcome = tuple[str, np.ndarray | str]


def read_pixels(
    files: Iterable[tuple[str, Opener]], preprocessing: Preprocessing
) -> Iterator[Outcome]:
    """What each file holds, in order; of the files no more are taken than are being read.

    Any other exception than one about the file is raised.
    """

    def read(opener: Opener) -> np.ndarray | str:
        """The pixels of a file, prepared, or what is wrong with it."""
        try:
            data = opener()
        except OSError as error:
            return error.strerror or str(error)
        except ValueError as error:  # a name that no file can have
            return str(error)
        try:
            if not isinstance(data, np.ndarray):
                data = preprocessing.decode(data)
            return preprocessing(data)
        except UserError as error:  # an ImageProblem is one
            return str(error)

    files = iter(files)
    with ThreadPoolExecutor(AHEAD) as pool:
        ahead = collections.deque(
            (name, pool.submit(read, opener)) for name, opener in itertools.islice(files, AHEAD)
        )
        while ahead:
            name, reading = ahead.popleft()
            outcome = reading.result()
            for next_name, opener in itertools.islice(files, 1):
                ahead.append((next_name, pool.submit(read, opener)))
            yield name, outcome


def in_order(
    outcomes: Iterable[Outcome],
    score: Callable[[Iterator[np.ndarray | None]], Iterable[Scored | None]],
    judge: Callable[[str, Scored], ImageScore],
) -> Iterator[ImageScore]:
    """A result for each file, as soon as it and those before it are known.

    ``score`` gives each image's logit, in any order, and passes over None, which stands for a file
    without pixels, see ``Scorer.score_sparse``; ``judge`` says what a logit means for a file.
    """
    results: dict[int, ImageScore] = {}  # by the file's place
    scoring: dict[int, tuple[int, str]] = {}  # an image's position -> its file's place and name

    def images() -> Iterator[np.ndarray | None]:
        """The pixels to score, None for a file without; notes which file each is of."""
        position = 0
        for place, (name, outcome) in enumerate(outcomes):
            if isinstance(outcome, str):
                results[place] = ImageScore(name, None, "", outcome)
                yield None
            else:
                scoring[position] = place, name
                position += 1
                yield outcome

    done = 0
    for scored in itertools.chain(score(images()), [None]):
        if scored is not None:
            place, name = scoring.pop(scored.position)
            results[place] = judge(name, scored)
        while done in results:
            yield results.pop(done)
            done += 1
