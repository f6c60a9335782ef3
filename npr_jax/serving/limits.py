"""What the server accepts, how it refuses the rest, and the time that one image may take."""

import dataclasses
import importlib.util
import math
import time
from collections.abc import Callable
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.images.problems import TooManyPixelsError, UnreadableImageError
from input_pipeline.images.transforms import size_of

MEGA = 1_000_000
_FORM_BYTES = MEGA  # of a request besides its files: names and boundaries

CONTENT_TOO_LARGE, UNSUPPORTED, UNUSABLE, CLIENT_GONE = 413, 415, 422, 499
SERVER_ERROR, UNAVAILABLE, TIMED_OUT = 500, 503, 504


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a request may ask for.

    Attributes:
        max_bytes: of one file.
        max_pixels: of one image, width times height; checked before any pixel is decoded.
        max_files: in one request, those in zip files counted.
        max_zip_bytes: of all files in a request's zip files together, expanded; a request's
            body may not be larger either.
        seconds: that the work on one image may take; the last step may run over.
        waiting: requests that may wait while one is worked on; more are told to come back.
    """

    max_bytes: int = 30 * MEGA
    max_pixels: int = 40 * MEGA
    max_files: int = 200
    max_zip_bytes: int = 300 * MEGA
    seconds: float = 60.0
    waiting: int = 16

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if not getattr(self, field.name) > 0:
                raise UserError(f"{field.name}={getattr(self, field.name)}; expected more than 0")

    @property
    def max_body(self) -> int:
        """Bytes of a whole request."""
        return max(self.max_bytes, self.max_zip_bytes) + _FORM_BYTES


# The flag of ``main.py serve`` that sets each limit.
FLAGS = {
    "max_bytes": "max_megabytes",
    "max_pixels": "max_megapixels",
    "max_files": "max_files",
    "max_zip_bytes": "max_zip_megabytes",
    "seconds": "max_seconds",
    "waiting": "max_waiting",
}
_IN_MILLIONS = ("max_bytes", "max_pixels", "max_zip_bytes")


def check_installed() -> None:
    """Raises ``ValueError`` where the libraries of the extra ``serve`` are missing."""
    libraries = ("gradio", "fastapi", "uvicorn", "multipart")
    missing = [name for name in libraries if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"serve needs {', '.join(missing)}, which is not installed; "
            "pip install 'npr-jax[serve]'"
        )


def limits_of(flags: Any) -> Limits:
    """The limits that the flags of ``serve`` set.

    Raises:
        ValueError: one is 0 or below.
    """
    values = {}
    for field, flag in FLAGS.items():
        given = value = flags[flag].value
        if field in _IN_MILLIONS:
            if not math.isfinite(value * MEGA):
                raise UserError(f"--{flag}={given:g}; expected more than 0, and a finite number")
            value = round(value * MEGA)
            if given > 0 and not value:
                raise UserError(f"--{flag}={given:g}; expected at least 1e-06")
        if not value > 0:
            raise UserError(f"--{flag}={given:g}; expected more than 0")
        values[field] = value
    return Limits(**values)


class Refused(UserError):
    """What cannot be done for a request; the message is a sentence for its sender.

    Attributes:
        status: the HTTP status that says the same: 413 too large, 415 no image, 422 an image
            that cannot be scored, 499 cancelled, 503 busy, 504 took too long.
        retry_after: seconds after which it may work; 0: it never will.
    """

    def __init__(self, message: str, status: int = UNUSABLE, retry_after: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class Busy(Refused):
    """Too many wait already; the same request may be answered a little later."""

    def __init__(self, message: str = "") -> None:
        busy = "The server is busy with other pictures. Please try again in 2 seconds."
        super().__init__(message or busy, UNAVAILABLE, retry_after=2)


class Cancelled(Refused):
    """Whoever asked wants no answer any more."""

    def __init__(self) -> None:
        super().__init__("Cancelled.", CLIENT_GONE)


def never() -> bool:
    """For work that is not cancelled."""
    return False


class Deadline:
    """The seconds one piece of work has from now on, unless `cancelled`; asked between steps."""

    def __init__(self, seconds: float, cancelled: Callable[[], bool] = never) -> None:
        self._seconds = seconds
        self._cancelled = cancelled
        self._start = time.monotonic()

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def allows(self, seconds: float = 0.0) -> bool:
        """Whether so many seconds are left; raises ``Cancelled`` for work nobody wants."""
        if self._cancelled():
            raise Cancelled
        return self.spent + seconds < self._seconds

    def check(self, name: str) -> None:
        """Raises ``Refused`` where the time is up, ``Cancelled`` where nobody waits."""
        if not self.allows():
            raise Refused(
                f"{name} took longer than the {self._seconds:g} seconds that one picture may "
                "take here. A smaller copy of it is quicker, but is another picture to the "
                "detector.",
                TIMED_OUT,
            )


def check_upload(name: str, data: bytes, limits: Limits) -> None:
    """Whether a file may be worked on; nothing of it is decoded.

    Raises:
        Refused: it is too large, in bytes or in pixels, or is no image.
    """
    if len(data) > limits.max_bytes:
        raise Refused(
            f"{name} has {len(data) / MEGA:.1f} MB; at most {limits.max_bytes / MEGA:g} MB are "
            "taken here.",
            CONTENT_TOO_LARGE,
        )
    try:
        height, width = size_of(data)
    except TooManyPixelsError as error:
        raise Refused(
            f"{name} has more pixels than the {limits.max_pixels / MEGA:g} million that are taken "
            "here (--max_megapixels of the server).",
            CONTENT_TOO_LARGE,
        ) from error
    except UnreadableImageError as error:
        raise Refused(f"{name} cannot be read as a picture: {error}.", UNSUPPORTED) from error
    if height * width > limits.max_pixels:
        raise Refused(
            f"{name} has {width} x {height} pixels, that is {height * width / MEGA:.1f} million; "
            f"at most {limits.max_pixels / MEGA:g} million are taken here (--max_megapixels of the "
            "server).",
            CONTENT_TOO_LARGE,
        )
