"""What a worker of the pool does: loads the detector once, scores block after block."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from npr_jax.cluster.reading import Reader

if TYPE_CHECKING:
    from npr_jax.inference.detector import Detector


class Worker:
    """Scores the rows of a manifest."""

    def __init__(
        self,
        detector: Any,
        facts: Mapping[str, str],
        options: Mapping[str, str],
        confidence: float | None,
    ):
        """``detector``: Ray's reference of it; ``facts``: columns that are the same in all rows;
        ``options``: see ``Reader``; ``confidence``: see ``Detector.score``."""
        import ray

        sent: Detector = ray.get(detector)
        self._detector = sent.with_engine("auto")
        self._facts = facts
        self._confidence = confidence
        self._read = Reader(options)

    def __call__(self, rows: Any) -> Any:
        """A table of results for a table of the manifest's rows, in their order."""
        import pyarrow as pa

        listed = rows.to_pylist()
        digests = [""] * len(listed)
        files = (
            (row["id"], functools.partial(self._open, row, place, digests))
            for place, row in enumerate(listed)
        )
        results = list(self._detector.iter_opened(files, confidence=self._confidence))
        columns: dict[str, Any] = {
            "row": rows["row"],
            "id": rows["id"],
            "path": rows["path"],
            "sha256": pa.array(digests, pa.string()),
            "score": pa.array([result.score for result in results], pa.float64()),
            "verdict": pa.array([result.verdict for result in results], pa.string()),
            "error": pa.array([result.error for result in results], pa.string()),
        }
        same = {
            key: pa.array([value] * len(rows), pa.string()) for key, value in self._facts.items()
        }
        return pa.table(columns | same)

    def _open(self, row: Mapping[str, Any], place: int, digests: list[str]) -> bytes | np.ndarray:
        data, digests[place] = self._read(row)
        return data
