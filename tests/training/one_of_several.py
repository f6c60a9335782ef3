"""One of several processes that train together: ``main.py train``, and what it decoded.

    python -m tests.training.one_of_several COUNT_FILE HOLD_FILE ARGUMENT ...

COUNT_FILE gets a byte for each image that this process decodes. While HOLD_FILE exists, it trains
no further than step ``HELD_AT``.
"""

import pathlib
import sys

from input_pipeline.loading import readers
from npr_jax.cli import main
from tests.training.held import hold_training

HELD_AT = 70  # in the second epoch of tests/training/test_hosts.py


def count_into(path: pathlib.Path) -> None:
    """Has every decoded image counted in a file of one byte for each."""
    decode, file = readers.record_pixels, path.open("ab", buffering=0)

    def counted(*arguments, **settings):
        file.write(b".")
        return decode(*arguments, **settings)

    readers.record_pixels = counted


if __name__ == "__main__":
    count_into(pathlib.Path(sys.argv.pop(1)))
    hold_training(pathlib.Path(sys.argv.pop(1)), HELD_AT)
    sys.exit(main.main())
