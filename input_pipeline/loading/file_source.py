"""A source whose files are read otherwise than by decoding their pixels."""

import dataclasses

import numpy as np

from input_pipeline.images.preprocessing import FileReader
from input_pipeline.images.problems import UnreadableImageError
from input_pipeline.storage.records import decode_record, encode_record
from input_pipeline.storage.tfrecord import RecordSource


class ViewedSource:
    """The records of a source of encoded images, each with what a reader makes of its file.

    Every access reads the whole record and makes it anew.
    """

    def __init__(self, source: RecordSource, read_file: FileReader) -> None:
        """Takes a source whose records are 'encoded'.

        Args:
          source: the records.
          read_file: bytes of an image file to uint8 [h, w, 3]; a function of a module, so that
            reader processes can have it.
        """
        self.source = source
        self.read_file = read_file

    def __len__(self) -> int:
        return len(self.source)

    def __repr__(self) -> str:
        return f"ViewedSource({self.read_file.__name__} of {self.source!r})"

    def __getitem__(self, index: int) -> bytes:
        record = decode_record(self.source[index])
        try:
            image = self.read_file(record.image)
        except UnreadableImageError as error:
            raise UnreadableImageError(f"{record.filename}: {error}") from error
        height, width = image.shape[:2]
        return encode_record(
            dataclasses.replace(
                record, image=image.tobytes(), storage="decoded", height=height, width=width
            )
        )

    def length(self, index: int) -> int:
        """See `TFRecordSource.length`."""
        return len(self[index])

    def peek(self, index: int, size: int) -> bytes:
        """See `TFRecordSource.peek`."""
        return self[index][:size]

    def read_into(
        self, index: int, scratch: np.ndarray, tail: np.ndarray | None = None
    ) -> memoryview:
        """See `TFRecordSource.read_into`."""
        data = np.frombuffer(self[index], np.uint8)
        stop = len(data) - (0 if tail is None else tail.size)
        scratch[:stop] = data[:stop]
        if tail is not None:
            tail[...] = data[stop:]
        return scratch[:stop].data
