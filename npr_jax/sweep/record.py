"""What a finished run leaves beside its results, so that it is neither repeated nor mistaken."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from input_pipeline.storage.atomic_files import write_json
from input_pipeline.storage.whole_content import read_object, whole_content
from npr_jax.config import flatten
from npr_jax.detectors.run_config import SINCE_VERSION_1

FILE = "sweep_run.json"
# Where the images lie (they have a fingerprint), who reads them, and what is said and saved on the
# way: none of it is in a result.
NOT_IN_RESULTS = (
    "data.path",
    "data.photos",
    "data.workers",
    "data.prefetch",
    "data.cache",
    "data.simulation.directory",
    "log_every_steps",
    "checkpoint_every_steps",
)


@dataclasses.dataclass(frozen=True)
class Record:
    """A finished run."""

    variant: str  # name of its point of the grid
    seed: int  # of everything random in it
    # {dotted key: value} of all that is in its results, as JSON gives it back
    settings: Mapping[str, Any]
    data: str  # fingerprint of its data set
    # names of the folders under ``evaluation`` that hold its results, one for each delivery
    evaluations: Sequence[str]
    folder: pathlib.Path  # the run's directory; not written

    def results(self) -> list[dict[str, Any]]:
        """Its results.json of each delivery."""
        return [read_object(path, "evaluate the run again") for path in self.results_paths]

    @property
    def results_paths(self) -> list[pathlib.Path]:
        """Where they lie."""
        return [self.folder / "evaluation" / name / "results.json" for name in self.evaluations]

    def save(self) -> None:
        """Writes it into the run's directory, whole or not at all."""
        values = dataclasses.asdict(self)
        del values["folder"]
        write_json(self.folder / FILE, values, sort_keys=True)


def read_record(folder: pathlib.Path) -> Record | None:
    """The record of a directory; None unless it and the results it speaks of are there."""
    remedy = "remove it and the run is evaluated again"
    try:
        saved = read_object(folder / FILE, remedy)
    except (FileNotFoundError, NotADirectoryError):
        return None
    with whole_content(folder / FILE, remedy):
        newer = {k: v for k, v in SINCE_VERSION_1.items() if k not in NOT_IN_RESULTS}
        saved["settings"] = newer | saved["settings"]
        if "evaluation" in saved:  # as version 1 wrote it
            saved["evaluations"] = [saved.pop("evaluation")]
        record = Record(**saved, folder=folder)
        is_whole = all(path.is_file() for path in record.results_paths)
    return record if is_whole else None


def is_done(
    folder: pathlib.Path, config: ConfigDict, data: str, deliveries: Sequence[str] = ()
) -> bool:
    """Whether a directory holds the results of these settings on these data, as they lie or after
    each of these deliveries."""
    record = read_record(folder)
    if record is None or (record.settings, record.data) != (settings_of(config), data):
        return False
    if not deliveries:
        return True
    return set(deliveries) <= {own["meta"].get("delivery") for own in record.results()}


def settings_of(config: ConfigDict) -> dict[str, Any]:
    """{dotted key: value} of all settings that results depend on, sorted, lists for tuples."""
    flat = flatten(json.loads(json.dumps(config.to_dict())))
    return {key: flat[key] for key in sorted(flat.keys() - set(NOT_IN_RESULTS))}
