"""One detector for many users: one computing thread, a bounded queue, and no shared failures."""

import contextlib
import io
import logging
import math
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from PIL import Image

from input_pipeline.images.problems import UnreadableImageError
from input_pipeline.images.transforms import size_of
from input_pipeline.provenance.trust_lists import TrustList, official_trust_list
from npr_jax.detectors import calibration_file
from npr_jax.evaluation.provenance import package_version
from npr_jax.inference.detector import Detector
from npr_jax.serving.assessment import Assessment, Assessor, refused
from npr_jax.serving.delivery import grouped
from npr_jax.serving.limits import (
    CONTENT_TOO_LARGE,
    SERVER_ERROR,
    TIMED_OUT,
    Busy,
    Cancelled,
    Deadline,
    Limits,
    Refused,
    never,
)
from npr_jax.serving.uploads import Upload

_LOG = logging.getLogger(__name__)
_GROUP_FILES = 16
_WARM_UP_SIDE = 256  # pixels; with its deliveries the usual shapes of batches are compiled
# Requests of many files that take turns: each may hold a zip file and a group of what is in it in
# memory, some hundred megabytes. Others wait before theirs are read.
_MANY_AT_ONCE = 4
T = TypeVar("T")
Asked = Callable[[], bool]


class Service:
    """Examines pictures for any number of threads.

    JAX uses all cores for one picture, so one thread computes and the others wait in the order in
    which they came. A request with many files has one small group of them in that queue at a
    time, so that a single picture passes between.
    """

    def __init__(
        self,
        detector: Detector,
        limits: Limits | None = None,
        trust_list: TrustList | None = None,
    ) -> None:
        """Signatures under Content Credentials count as the list says; None: C2PA's own."""
        self.limits = limits or Limits()
        self.identity = identity_of(detector)
        self._assessor = Assessor(detector, self.limits, trust_list or official_trust_list())
        self._compute = ThreadPoolExecutor(1, thread_name_prefix="compute")
        self._lock = threading.Lock()
        self._many = threading.Semaphore(_MANY_AT_ONCE)
        self._inside = 0
        self._closing = threading.Event()

    @property
    def is_full(self) -> bool:
        """Whether one more request would be told to come back."""
        return self._closing.is_set() or self._inside > self.limits.waiting

    @property
    def inside(self) -> int:
        """Requests that wait or are worked on."""
        return self._inside

    def assess(
        self,
        name: str,
        data: bytes,
        *,
        delivery: bool = True,
        evidence: bool = True,
        cancelled: Asked = never,
    ) -> Assessment:
        """Everything about one file; waits for it.

        Args:
            name: for display, see ``uploads.base_name``.
            data: the file.
            delivery: whether to try how the verdict holds up when the picture is sent on.
            evidence: whether to make residuals and heat map.
            cancelled: asked between steps; true ends the work.

        Raises:
            Refused: see there; ``Busy`` where too many wait, ``Cancelled`` where it was.
        """
        with self._place():
            return self._assess(name, data, delivery, evidence, cancelled)

    def assess_many(
        self,
        files: Iterable[Upload],
        *,
        delivery: bool,
        evidence: bool,
        cancelled: Asked = never,
    ) -> Iterator[Assessment]:
        """Everything about each file, in order, in one place of the queue; see ``score_many``.

        No file is read before it is this request's turn; the other arguments are ``assess``'s.
        """
        with self._place(), self._turn_of_many(cancelled):
            for name, data in list(files):  # all are known to be wanted before one is computed
                if isinstance(data, Refused):
                    yield refused(name, b"", data)
                    continue
                try:
                    yield self._assess(name, data, delivery, evidence, cancelled)
                except (Busy, Cancelled):
                    raise
                except Refused as error:
                    yield refused(name, data, error)

    def score_many(self, files: Iterable[Upload], cancelled: Asked = never) -> Iterator[Assessment]:
        """Score and verdict of each file, in order, as soon as it is known.

        A file that cannot be scored gives an ``Assessment`` with ``result.error``.

        Args:
            files: names with bytes, or with why there are none; see ``uploads.expand``.
            cancelled: asked between small groups of files; true ends the work.

        Raises:
            Refused: what ``files`` raises; ``Busy`` where too many wait, ``Cancelled``.
        """
        with self._place(), self._turn_of_many(cancelled):
            for group in grouped(files, _pixels, _GROUP_FILES):
                yield from self._score_group(group, cancelled)

    def close(self) -> None:
        """Ends the work in progress at its next step; what waits is told that it is busy."""
        self._closing.set()
        self._compute.shutdown(wait=False, cancel_futures=True)

    def _assess(
        self, name: str, data: bytes, delivery: bool, evidence: bool, cancelled: Asked
    ) -> Assessment:
        def work(deadline: Deadline) -> Assessment:
            return self._assessor.assess(name, data, deadline, delivery, evidence)

        return self._run(work, self.limits.seconds, cancelled)

    def _score_group(self, group: list[Upload], cancelled: Asked) -> Iterator[Assessment]:
        usable = [(name, data) for name, data in group if isinstance(data, bytes)]
        scored = iter(self._score_usable(usable, cancelled))
        for name, data in group:
            yield next(scored) if isinstance(data, bytes) else refused(name, b"", data)

    def _score_usable(self, files: list[tuple[str, bytes]], cancelled: Asked) -> list[Assessment]:
        if not files:
            return []
        seconds = self.limits.seconds * len(files)
        try:
            return self._run(lambda d: self._assessor.score_group(files, d), seconds, cancelled)
        except (Busy, Cancelled):
            raise
        except Refused as error:
            if len(files) == 1:
                return [refused(*files[0], error)]
        # One file made all of them fail: which one, each by itself shows.
        return [result for file in files for result in self._score_usable([file], cancelled)]

    def _run(self, work: Callable[[Deadline], T], seconds: float, cancelled: Asked) -> T:
        """Waits for the computing thread to do the work, or raises why it could not."""

        def run() -> T:
            return work(Deadline(seconds, lambda: cancelled() or self._closing.is_set()))

        try:
            return self._compute.submit(run).result()
        except Refused:
            raise
        except Exception as error:
            if self._closing.is_set():
                raise Busy("The server is stopping.") from error
            _LOG.exception("a picture could not be examined")
            raise Refused(
                "Something went wrong here while this picture was examined. Others are not "
                "affected; the server's log has the details.",
                SERVER_ERROR,
            ) from error

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        """A place among the requests that are worked on or wait."""
        with self._lock:
            if self.is_full:
                raise Busy
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1

    @contextlib.contextmanager
    def _turn_of_many(self, cancelled: Asked) -> Iterator[None]:
        """Waits until few enough requests hold many files in memory."""
        while not self._many.acquire(timeout=0.1):
            if cancelled():
                raise Cancelled
            if self._closing.is_set():
                raise Busy("The server is stopping.")
        try:
            yield
        finally:
            self._many.release()


def warm_up(service: Service) -> None:
    """Compiles what the first pictures need, on a picture of noise, as far as the limits let it."""
    pixels = np.random.default_rng(0).integers(0, 256, (_WARM_UP_SIDE, _WARM_UP_SIDE, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    try:
        service.assess("warm-up.png", buffer.getvalue())
    except Refused as error:
        # Limits may be so tight that even this picture is too large, or compiling takes too long.
        if error.status not in (CONTENT_TOO_LARGE, TIMED_OUT):
            raise


def identity_of(detector: Detector) -> dict[str, str]:
    """What every answer says of who gave it."""
    return {
        "version": package_version() or "unknown",
        "checkpoint": calibration_file.fingerprint(detector.model),
        "system": detector.system,
        "source": detector.title,
        "preprocessing": detector.preprocessing_in_words,
        "calibration": detector.calibration_in_words,
        "engine": detector.engine,
    }


def _pixels(upload: Upload) -> int:
    try:
        return math.prod(size_of(upload[1])) if isinstance(upload[1], bytes) else 0
    except UnreadableImageError:
        return 0
