"""Decoding in a process that may die: HEIF, AVIF and JPEG XL, whose decoders are young and large.

A file that kills its decoder, keeps it busy too long or wants too much memory is refused; the next
one gets a new process. Each calling thread has one of its own while it decodes.
"""

import atexit
import json
import os
import pathlib
import queue
import subprocess
import sys
import threading
from functools import cache
from typing import Any

import numpy as np

from input_pipeline.images.decoding_process import ANSWER, REQUEST
from input_pipeline.images.iso_boxes import check_boxes
from input_pipeline.images.problems import TooManyPixelsError, UnreadableImageError

SECONDS = 120.0  # for one file
_ROOT = pathlib.Path(__file__).resolve().parents[2]


def decode_isolated(data: bytes | memoryview, max_pixels: int) -> np.ndarray:
    """Returns the primary picture of a HEIF, AVIF or JPEG XL as stored, uint8 [h, w, 3] RGB.

    Raises:
      UnreadableImageError: with the reason.
    """
    check_boxes(data)
    described, pixels = _ask(data, max_pixels, with_pixels=True)
    return np.frombuffer(pixels, np.uint8).reshape(described["height"], described["width"], 3)


def describe_isolated(data: bytes | memoryview, max_pixels: int) -> dict[str, Any]:
    """Returns `format`, `width`, `height`, `orientation`, `pictures`, `has_alpha`: as `FileFacts`.

    Raises:
      UnreadableImageError: with the reason.
    """
    return _ask(data, max_pixels, with_pixels=False)[0]


def transparent_share_isolated(data: bytes | memoryview, max_pixels: int) -> float:
    """Returns the share of the picture that is transparent, see `transparency`; decodes it.

    Raises:
      UnreadableImageError: with the reason.
    """
    return float(_ask(data, max_pixels, with_pixels=True)[0]["transparent"])


class _Decoder:
    """A process, started."""

    def __init__(self) -> None:
        paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS")}
        self._process = subprocess.Popen(
            # -P: no module is taken from the folder that the user happens to be in.
            [sys.executable, "-P", "-m", "input_pipeline.images.decoding_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | threads | {"PYTHONPATH": os.pathsep.join(paths)},
        )
        atexit.register(self.close)

    def ask(
        self, data: bytes | memoryview, max_pixels: int, with_pixels: bool
    ) -> tuple[Any, bytes]:
        """The answer to one request; `EOFError` or `OSError` where the process dies of it."""
        late = threading.Timer(SECONDS, self._process.kill)
        late.start()
        try:
            requests, answers = self._process.stdin, self._process.stdout
            if requests is None or answers is None:
                raise EOFError
            requests.write(REQUEST.pack(len(data), max_pixels, with_pixels))
            requests.write(data)
            requests.flush()
            head = answers.read(ANSWER.size)
            if len(head) < ANSWER.size:
                raise EOFError
            described = json.loads(answers.read(ANSWER.unpack(head)[0]))
            wanted = 0
            if with_pixels and "error" not in described:
                wanted = described["height"] * described["width"] * 3
            pixels = answers.read(wanted)
            if len(pixels) < wanted:
                raise EOFError
            return described, pixels
        finally:
            late.cancel()

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate()
        atexit.unregister(self.close)


def _ask(data: bytes | memoryview, max_pixels: int, with_pixels: bool) -> tuple[Any, bytes]:
    idle = _idle(os.getpid())
    try:
        decoder = idle.get_nowait()
    except queue.Empty:
        decoder = _Decoder()
    try:
        described, pixels = decoder.ask(data, max_pixels, with_pixels)
    except (EOFError, OSError) as error:
        decoder.close()
        raise UnreadableImageError(
            "damaged image: its decoder crashed, or needed too much memory or time"
        ) from error
    except BaseException:  # an answer may be under way: it would be taken for the next file's
        decoder.close()
        raise
    idle.put(decoder)
    if "error" in described:
        kind = TooManyPixelsError if described["too_large"] else UnreadableImageError
        raise kind(described["error"])
    return described, pixels


@cache
def _idle(_process: int) -> "queue.SimpleQueue[_Decoder]":
    """The decoders of this process that wait for work; a forked one has none at first."""
    return queue.SimpleQueue()
