"""A job's folder: what is to be done, what is done, and whether the two are the same.

OUTPUT/*.parquet              the results
OUTPUT/_job/job.json          what was asked; there is none before the manifest is whole
OUTPUT/_job/manifest/         all pictures, see manifest.py
OUTPUT/_job/checkpoint/       Ray's: which of them are done
OUTPUT/_job/finished.json     the counts; there is none before all are done
OUTPUT/_job/lock              held by the process that works for it, where it lies on a disk
"""

import collections
import contextlib
import json
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.storage.locks import alone
from input_pipeline.storage.whole_content import json_object
from npr_jax.cluster.manifest import batches, write_manifest
from npr_jax.cluster.places import Place

VERDICT_AND_ERROR = ("verdict", "error")


class Job:
    """The work that one output folder stands for."""

    def __init__(self, output: Place, name: str):
        """``name``: of the folder, as the user gave it."""
        self.output, self.name = output, name
        self.folder = output / "_job"
        self.manifest = self.folder / "manifest"
        # Below the output: in a store a kill can leave a note both as waiting and as done, and Ray
        # then takes back the results of its name and, for it looks here too, the note.
        self.checkpoint = self.folder / "checkpoint"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """No other process works for the folder within the block; stores cannot promise that.

        Raises:
            UserError: another one does, or the folder holds something else.
        """
        from pyarrow import fs

        self._check_no_file()
        if not isinstance(self.output.system, fs.LocalFileSystem):
            yield
            return
        if not self._exists(self.folder):
            self._check_empty()
        lock = pathlib.Path(self.folder.path, "lock")
        with alone(lock, f"scoring into {self.name}", "give another --output"):
            yield

    def begin(self, asked: Mapping[str, Any], tables: Callable[[], Iterable[Any]]) -> bool:
        """Makes the manifest of a new job; returns whether the job is one begun before.

        Args:
            asked: what decides about the results, JSON values.
            tables: gives the rows of the manifest.

        Raises:
            UserError: where the folder holds something else, or a job of which other things were
                asked.
        """
        self._check_no_file()
        if (begun := self._read("job.json")) is not None:
            before = begun["asked"]
            changed = [key for key in asked if asked[key] != before.get(key)]
            if changed:
                now = "; ".join(f"{k}: {before.get(k)} then, {asked[k]} now" for k in changed)
                raise UserError(
                    f"--output={self.name} holds a job that was begun otherwise ({now}); give it "
                    "another folder, or go on as it was begun"
                )
            self.rows = int(begun["rows"])
            return True
        self._check_empty()
        if self._exists(self.manifest):  # cut off before anything was scored
            self.output.system.delete_dir(self.manifest.path)
        try:
            self.rows = write_manifest(tables(), self.manifest)
        except UserError:
            self.output.system.delete_dir(self.folder.path)
            raise
        self._write("job.json", {"asked": asked, "rows": self.rows})
        return False

    @property
    def finished(self) -> dict[str, int] | None:
        """Its counts once it has been finished, see ``finish``."""
        return self._read("finished.json")

    def done(self) -> int:
        """How many pictures are noted as done, of a job that is not finished."""
        from pyarrow import fs, parquet

        noted = self.checkpoint.system.get_file_info(
            fs.FileSelector(self.checkpoint.path, allow_not_found=True)
        )
        return sum(
            parquet.read_metadata(file.path, filesystem=self.checkpoint.system).num_rows
            for file in noted
            if file.path.endswith(".parquet") and not file.path.endswith(".pending.parquet")
        )

    def finish(self) -> dict[str, int]:
        """Makes sure that every picture has one result, and notes that the job is done.

        Returns how many have each verdict, and how many an error. ``RuntimeError`` where results
        are missing or doubled.
        """
        seen: np.ndarray = np.zeros(self.rows, np.uint8)
        counts: collections.Counter[str] = collections.Counter()
        doubled = 0
        for batch in batches(self.output, ["row", *VERDICT_AND_ERROR]):
            numbers, times = np.unique(batch.column("row").to_numpy(), return_counts=True)
            doubled += int((times - 1).sum() + seen[numbers].sum())
            seen[numbers] = 1
            counts.update(batch.column("verdict").to_pylist())
        missing = self.rows - int(seen.sum())
        if missing or doubled:
            raise RuntimeError(
                f"{self.name}: {missing} of {self.rows} pictures have no result and {doubled} "
                "have more than one; this folder cannot be trusted"
            )
        counts["error"] = counts.pop("", 0)
        self._write("finished.json", dict(counts))
        if self._exists(self.checkpoint):
            self.output.system.delete_dir(self.checkpoint.path)
        return dict(counts)

    def _check_no_file(self) -> None:
        from pyarrow import fs

        if self.output.system.get_file_info(self.output.path).type == fs.FileType.File:
            raise UserError(f"--output={self.name} is a file; give a new or empty folder")

    def _check_empty(self) -> None:
        from pyarrow import fs

        there = self.output.system.get_file_info(
            fs.FileSelector(self.output.path, allow_not_found=True)
        )
        others = [entry.path for entry in there if entry.path != self.folder.path]
        if others:
            raise UserError(f"--output={self.name} holds {others[0]}; give a new or empty folder")

    def _exists(self, place: Place) -> bool:
        from pyarrow import fs

        return place.system.get_file_info(place.path).type != fs.FileType.NotFound

    def _read(self, name: str) -> Any:
        place = self.folder / name
        try:
            with place.system.open_input_stream(place.path) as file:
                content = file.read()
        except FileNotFoundError:
            return None
        return json_object(content, f"{self.name}: {name}", "give a new or empty --output")

    def _write(self, name: str, content: Any) -> None:
        # Whole or not there: stores show no half object, and elsewhere a name is moved into place.
        place, partial = self.folder / name, self.folder / f"{name}.partial"
        self.output.system.create_dir(self.folder.path, recursive=True)
        with partial.system.open_output_stream(partial.path) as file:
            file.write(json.dumps(content, indent=2).encode())
        place.system.move(partial.path, place.path)
