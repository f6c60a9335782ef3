"""How far the scoring of images has come: a bar on a terminal, a line a minute in a log."""

import datetime
import sys
import time
from collections.abc import Generator, Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
LOG_EVERY = 60.0  # seconds


def watched(
    items: Iterable[T], total: int, *, done: int = 0, every: float = LOG_EVERY
) -> Generator[T]:
    """Passes images or their results on and says on standard error how many there are, how fast
    they come and how long the rest will take.

    Args:
      items: those still to come.
      total: how many there are together with the `done` ones of an earlier run.
      every: seconds between two lines where standard error is no terminal.
    """
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, initial=done, unit="img")
        return
    begun = said = time.monotonic()
    for count, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - said >= every and done + count < total:
            said = now
            print(_line(done + count, total, count / (now - begun)), file=sys.stderr, flush=True)


def _line(done: int, total: int, rate: float) -> str:
    left = datetime.timedelta(seconds=round((total - done) / rate))
    return f"{done:,} of {total:,} images, {rate:.3g} images/s, {left} left"
