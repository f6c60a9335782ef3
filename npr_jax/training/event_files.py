"""TensorBoard's event files: written without TensorFlow, trimmed when a run resumes.

An event file is a TFRecord file of ``Event`` protocol buffers, which the ``tensorboard`` package
brings along. ``clu.metric_writers`` would write it with TensorFlow: 1.3 GB to install, and 10 s and
640 MB to import. Its writer is used where the process has imported TensorFlow already.
"""

import itertools
import os
import pathlib
import socket
import struct
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.summary.writer.record_writer import RecordWriter

from input_pipeline.storage.tfrecord import masked_crc32c

# A record's framing in bytes: length and its checksum before the data, a checksum behind.
_HEADER, _FOOTER = 12, 4


def open_event_file(folder: pathlib.Path, *, resume_step: int) -> Any:
    """A writer of a new event file; events after ``resume_step`` are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    drop_events_after(folder, resume_step)
    if sys.modules.get("tensorflow"):
        from clu import metric_writers

        return metric_writers.SummaryWriter(str(folder))
    return EventWriter(folder)


def drop_events_after(folder: pathlib.Path, step: int) -> None:
    """Removes the events of later steps, which a resumed run will write again.

    A file that has such events is replaced as a whole. A record that a kill cut short ends a file.
    """
    for path in sorted(folder.glob("events.out.tfevents.*")):
        records = list(_records(path.read_bytes()))
        kept = [
            record for record in records if Event.FromString(record[_HEADER:-_FOOTER]).step <= step
        ]
        if len(kept) < len(records):
            # Not beside the old name: TensorBoard reads all files with "tfevents" in theirs.
            partial = folder / ".trimmed.partial"
            partial.write_bytes(b"".join(kept))
            partial.replace(path)


def _records(data: bytes) -> Iterator[bytes]:
    """The whole records of a TFRecord file, framing included, up to the first damaged one."""
    start = 0
    while start + _HEADER <= len(data):
        [length] = struct.unpack_from("<Q", data, start)
        end = start + _HEADER + length + _FOOTER
        record = data[start:end]
        if end > len(data) or record[-_FOOTER:] != struct.pack(
            "<I", masked_crc32c(record[_HEADER:-_FOOTER])
        ):
            return
        yield record
        start = end


def _second(folder: pathlib.Path) -> int:
    """Now, in seconds; or, where the clock was set back, a second after the newest file there.

    TensorBoard reads the files of a folder in the order of their names.
    """
    names = (path.name.split(".")[3] for path in folder.glob("events.out.tfevents.*"))
    return max([int(time.time()), *(int(name) + 1 for name in names if name.isdecimal())])


class EventWriter:
    """Writes scalars as ``clu.metric_writers`` does, in the form of ``tf.summary.scalar``."""

    def __init__(self, folder: pathlib.Path):
        name = f"events.out.tfevents.{_second(folder):010d}.{socket.gethostname()}.{os.getpid()}"
        free = (folder / f"{name}.{n}" for n in itertools.count())
        self._file = next(path for path in free if not path.exists()).open("xb")
        self._writer = RecordWriter(self._file)
        self._add(file_version="brain.Event:2")

    def _add(self, **fields: Any) -> None:
        self._writer.write(Event(wall_time=time.time(), **fields).SerializeToString())

    def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
        """Adds one event for each scalar."""
        for name, value in scalars.items():
            self._add(step=step, summary=scalar_pb(name, float(value)))

    def flush(self) -> None:
        """Hands what was written to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Flushes and closes the file."""
        self._file.close()
