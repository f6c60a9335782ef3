"""Files into the network and results out of it, in the order in which they were named."""

import collections
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.images.preprocessing import Preprocessing
from npr_jax.inference.scorer import Scored
from npr_jax.inference.verdict import ImageScore

# Files decoded ahead of the network; each may be a large photograph, so few.
AHEAD = 4
# Gives a file's bytes; called once, in one of the threads.
Opener = Callable[[], bytes | memoryview]


def read_pixels(
    openers: Sequence[Opener], preprocessing: Preprocessing
) -> Iterator[np.ndarray | str]:
    """Each file's pixels as they are scored, uint8 ``[h, w, 3]``, or why there are none; in
    order.

    Any other exception than one about the file is raised.
    """

    def read(opener: Opener) -> np.ndarray | str:
        try:
            data = opener()
        except OSError as error:
            return error.strerror or str(error)
        except ValueError as error:  # a name that no file can have
            return str(error)
        try:
            return preprocessing(preprocessing.decode(data))
        except UserError as error:  # an ImageProblem is one
            return str(error)

    with ThreadPoolExecutor(AHEAD) as pool:
        ahead = collections.deque(pool.submit(read, opener) for opener in openers[:AHEAD])
        for place in range(len(openers)):
            outcome = ahead.popleft().result()
            if place + AHEAD < len(openers):
                ahead.append(pool.submit(read, openers[place + AHEAD]))
            yield outcome


def in_order(
    names: Sequence[str],
    outcomes: Iterable[np.ndarray | str],
    score: Callable[[Iterator[np.ndarray]], Iterable[Scored]],
    judge: Callable[[str, Scored], ImageScore],
) -> Iterator[ImageScore]:
    """A result for each file, as soon as it and those before it are known.

    ``outcomes`` are those of ``read_pixels``; ``score`` gives each image's logit, in any order, and
    ``judge`` says what that means for a file.
    """
    results: dict[int, ImageScore] = {}
    places: list[int] = []

    def usable() -> Iterator[np.ndarray]:
        for place, outcome in enumerate(outcomes):
            if isinstance(outcome, str):
                results[place] = ImageScore(names[place], None, "", outcome)
            else:
                places.append(place)
                yield outcome

    done = 0
    for scored in score(usable()):
        place = places[scored.position]
        results[place] = judge(names[place], scored)
        while done in results:
            yield results.pop(done)
            done += 1
    for place in range(done, len(names)):
        yield results.pop(place)
