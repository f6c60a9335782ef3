"""The data and options of a calibration that several files of tests look at."""

from tests import runs

COUNT = 240
OPTIONS = {"target_error": 0.05, "source_error": 0.3}
RECORDS = {"validation": COUNT, "train": COUNT, "few": 60, "photographs": 90}


def records(split):
    """As the run's own, of a name each; split photographs has one class."""
    for record in runs.records("validation", 2 * RECORDS[split]):
        if split != "photographs" or record.label == 0:
            yield record


def photographs_or_half(split):
    kept = list(records(split))
    return kept[: RECORDS[split]]
