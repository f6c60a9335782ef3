"""Everything that is found out about one picture."""

import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np

from input_pipeline.images.problems import UnreadableImageError
from input_pipeline.provenance.trust_lists import TrustList
from npr_jax.inference.detector import Detector
from npr_jax.inference.verdict import ImageScore
from npr_jax.serving import delivery, sentences
from npr_jax.serving.evidence import Evidence, EvidenceMaker
from npr_jax.serving.file_report import report_file, report_mark
from npr_jax.serving.limits import UNSUPPORTED, UNUSABLE, Deadline, Limits, Refused, check_upload
from npr_jax.serving.schema import DeliveryAnswer, FactsAnswer, MarkAnswer


@dataclasses.dataclass(frozen=True)
class Assessment:
    """What is known of one file.

    Attributes:
        name: base name as uploaded, for display; never a path.
        sha256: of the bytes, hexadecimal.
        result: exactly what ``predict`` says of these bytes, or why nothing.
        verdict: ``generated``, ``photograph`` or ``unsure``: the result's, or ``unsure`` where a
            delivery turns it into its opposite; empty where the file could not be scored.
        reason: why, in words.
        facts: what the file says of itself; None where its header cannot be read.
        delivery: how the score changes when the picture is sent on; () where it was not tried.
        delivery_note: why it was not, or not wholly; else empty.
        scales: names of what ``result.weights`` weighs.
        evidence: what the detector looked at, and where it found what; None if not wanted.
        status: HTTP status that says the same as the result's error; 200 where it was scored.
        seconds: that the work took.
    """

    name: str
    sha256: str
    result: ImageScore
    verdict: str
    reason: str
    facts: FactsAnswer | None = None
    delivery: tuple[DeliveryAnswer, ...] = ()
    delivery_note: str = ""
    scales: tuple[str, ...] = ()
    evidence: Evidence | None = None
    status: int = 200
    seconds: float = 0.0


def refused(name: str, data: bytes, error: Refused) -> Assessment:
    """What is said of a file of several that cannot be scored."""
    result = ImageScore(name, None, "", str(error))
    digest = hashlib.sha256(data).hexdigest() if data else ""
    return Assessment(name, digest, result, "", str(error), status=error.status)


class Assessor:
    """A detector and how it is asked; not for several threads at once."""

    def __init__(self, detector: Detector, limits: Limits, trust_list: TrustList) -> None:
        self.detector = detector
        self.limits = limits
        self._trust_list = trust_list
        self._evidence = EvidenceMaker(detector)

    def assess(
        self, name: str, data: bytes, deadline: Deadline, with_delivery: bool, with_evidence: bool
    ) -> Assessment:
        """Everything about one file.

        Raises:
            Refused: it cannot be scored, or not in time.
        """
        own = self._decode(name, data)
        deadline.check(name)
        seen = self._see(name, own)
        deadline.check(name)
        before = deadline.spent
        [scored] = self.detector.iter_logits([seen])
        result = self.detector.judge(name, scored)
        took = deadline.spent - before
        deadline.check(name)
        found = self._assessment(name, data, result, self._mark(own))
        if with_evidence:
            turn = 1 if found.facts is None else found.facts.orientation
            made = self._evidence.make(seen, deadline, score_seconds=took, orientation=turn)
            found = dataclasses.replace(found, evidence=made)
        if with_delivery:
            found = self._with_delivery(found, own, deadline)
        return dataclasses.replace(found, seconds=deadline.spent)

    def score_group(
        self, files: Sequence[tuple[str, bytes]], deadline: Deadline
    ) -> list[Assessment]:
        """The quick form of several files, scored together: no delivery, no evidence.

        Files that cannot be scored have their error.

        Raises:
            Refused: the time is up.
        """
        known: dict[int, Assessment] = {}
        seen: dict[int, np.ndarray] = {}
        marks: dict[int, MarkAnswer | None] = {}
        for place, (name, data) in enumerate(files):
            try:
                deadline.check(name)
                own = self._decode(name, data)
                marks[place] = self._mark(own)
                seen[place] = self._see(name, own)
            except Refused as error:
                if not deadline.allows():
                    raise
                known[place] = refused(name, data, error)
        places = list(seen)
        for scored in self.detector.iter_logits(seen.values()) if seen else ():
            place = places[scored.position]
            name, data = files[place]
            result = self.detector.judge(name, scored)
            found = self._assessment(name, data, result, marks[place])
            known[place] = dataclasses.replace(found, seconds=deadline.spent / len(files))
        return [known[place] for place in range(len(files))]

    def _assessment(
        self, name: str, data: bytes, result: ImageScore, mark: MarkAnswer | None
    ) -> Assessment:
        return Assessment(
            name=name,
            sha256=hashlib.sha256(data).hexdigest(),
            result=result,
            verdict=result.verdict,
            reason=sentences.reason_for(result.verdict, result.score or 0.0),
            facts=report_file(data, self._trust_list, mark),
            delivery_note=sentences.NO_DELIVERY_ASKED,
            scales=tuple(self.detector.model.scales),
        )

    def _mark(self, own: np.ndarray) -> MarkAnswer | None:
        """None where what is scored are not a picture's pixels."""
        return None if self.detector.preprocessing.read_file is not None else report_mark(own)

    def _decode(self, name: str, data: bytes) -> np.ndarray:
        check_upload(name, data, self.limits)
        try:
            return self.detector.preprocessing.decode(data)
        except UnreadableImageError as error:
            raise Refused(f"{name} cannot be read as a picture: {error}.", UNSUPPORTED) from error

    def _see(self, name: str, own: np.ndarray) -> np.ndarray:
        try:
            [seen] = self.detector.see([own])
        except ValueError as error:
            raise Refused(f"{name} cannot be scored: {error}.", UNUSABLE) from error
        return seen

    def _with_delivery(self, found: Assessment, own: np.ndarray, deadline: Deadline) -> Assessment:
        if self.detector.preprocessing.read_file is not None:
            return dataclasses.replace(found, delivery_note=sentences.NO_DELIVERY_FOR_METADATA)
        tried = delivery.deliver(own, self._score_pixels, deadline)
        verdict, how = delivery.held_up(found.verdict, tried)
        return dataclasses.replace(
            found,
            verdict=verdict,
            reason=how if verdict != found.verdict else f"{found.reason} {how}".strip(),
            delivery=tried,
            delivery_note=delivery.not_scored(tried),
        )

    def _score_pixels(self, images: Sequence[np.ndarray]) -> list[ImageScore]:
        """Scores files' own pixels; each result is that of a file with these pixels."""
        results: dict[int, ImageScore] = {}
        seen: dict[int, np.ndarray] = {}
        for place, image in enumerate(images):
            try:
                [seen[place]] = self.detector.see([image])
            except ValueError as error:
                results[place] = ImageScore("", None, "", str(error))
        places = list(seen)
        for scored in self.detector.iter_logits(seen.values()):
            results[places[scored.position]] = self.detector.judge("", scored)
        return [results[place] for place in range(len(images))]
