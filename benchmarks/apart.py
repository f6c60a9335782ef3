"""Work in a process of its own, whose memory is gone with it."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any


def in_a_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function returns.

    On Linux a child's largest memory (``ru_maxrss``) begins as that of the process that starts it,
    so a benchmark that measures children must stay small itself.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()
