"""What users send, one file at a time: zip files are opened, within limits."""

import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, NamedTuple

from input_pipeline.images.file_tree import left_out_as
from npr_jax.serving.limits import CONTENT_TOO_LARGE, MEGA, UNSUPPORTED, UNUSABLE, Limits, Refused
from npr_jax.serving.zip_names import parts_of

# A file by its name, or why a zip file's member cannot be had.
Upload = tuple[str, bytes | Refused]


class LeftOut(NamedTuple):
    """A member of a zip file that is no picture by its name."""

    kind: str  # see `file_tree.left_out_as`
    name: str  # with its folders


_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")  # the second: an empty archive
_ENTRY = b"PK\x01\x02"  # begins an entry of an archive's directory
_MAX_ENTRIES = 20_000  # folders and hidden files among them; a directory's entry costs 1 kB
_MAX_NAME, _MAX_PATH = 120, 240  # characters
_KEPT_END = 20  # of them, of a name that is too long: its ending tells more than its middle
_ENCRYPTED = 0x1
_CHUNK = 2**20
# Python reads other methods without a bound on what a few bytes expand to.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGES = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError)


def expand(
    files: Iterable[tuple[str, bytes]], limits: Limits, left_out: list[LeftOut] | None = None
) -> Iterator[Upload]:
    """The files of one request, those inside zip files in their place.

    Of zip files, folders and what ``predict`` leaves out of folders are left out.

    Args:
        files: names with bytes.
        limits: see there.
        left_out: where what is left out is put as it is come to.

    Yields:
        ``(name, bytes)``, or ``(name, Refused)`` for a member of a zip file that is encrypted,
        damaged, too large, or itself a zip file. Members have their folders in their names, and no
        two of one request the same.

    Raises:
        Refused: for a damaged zip file, too many files, or too many bytes in zip files.
    """
    count = 0
    expanded = _Expanded(limits)
    skipped = [] if left_out is None else left_out
    names: set[str] = set()
    for name, data in files:
        name = base_name(name)
        uploads = _members(name, data, expanded, skipped, names) if is_zip(data) else [(name, data)]
        for upload in uploads:
            count += 1
            if count > limits.max_files:
                raise Refused(
                    f"These are more than the {limits.max_files} files that one request may have.",
                    CONTENT_TOO_LARGE,
                )
            yield upload


def is_zip(data: bytes) -> bool:
    """Whether a file begins as a zip file does; pictures with an archive behind them do not."""
    return data.startswith(_ZIP_STARTS)


def base_name(name: str) -> str:
    """What of a file's name is shown: no folder, nothing unprintable, not too long."""
    shown = _shown(name.replace("\\", "/").rstrip("/").rpartition("/")[2], _MAX_NAME)
    return shown if shown.strip(". ") else "unnamed"


def _shown(name: str, most: int) -> str:
    shown = "".join(c if c.isprintable() else "�" for c in name)
    if len(shown) > most:
        shown = f"{shown[: most - _KEPT_END - 1]}…{shown[-_KEPT_END:]}"
    return shown


def _new_name(parts: tuple[str, ...], names: set[str]) -> str:
    """A member's name as it is shown, with a number where another is shown alike; noted."""
    shown = name = _shown("/".join(parts), _MAX_PATH)
    number = 1
    while name in names:
        number += 1
        name = f"{shown} ({number})"
    names.add(name)
    return name


class _Expanded:
    """Counts what comes out of the zip files of one request, whatever their headers say."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._total = 0

    def read(self, name: str, file: IO[bytes]) -> bytes | Refused:
        """A member's bytes, or that they are too many for one file."""
        content = bytearray()
        while chunk := file.read(_CHUNK):
            content += chunk
            self._total += len(chunk)
            if self._total > self.limits.max_zip_bytes:
                raise Refused(
                    "Expanded, the zip files have more than the "
                    f"{self.limits.max_zip_bytes / MEGA:g} MB that are taken in one request.",
                    CONTENT_TOO_LARGE,
                )
            if len(content) > self.limits.max_bytes:
                return Refused(
                    f"{name} has more than the {self.limits.max_bytes / MEGA:g} MB that one file "
                    "may have here.",
                    CONTENT_TOO_LARGE,
                )
        return bytes(content)


def _members(
    archive_name: str, data: bytes, expanded: _Expanded, left_out: list[LeftOut], names: set[str]
) -> Iterator[Upload]:
    if data.count(_ENTRY) > _MAX_ENTRIES:
        raise Refused(f"{archive_name} lists too many files.", CONTENT_TOO_LARGE)
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except _DAMAGES as error:
        raise Refused(f"{archive_name} is a damaged zip file ({error}).", UNSUPPORTED) from error
    with archive:
        for member in archive.infolist():
            parts = parts_of(member)
            if not parts:
                continue  # a folder
            if kind := left_out_as(parts):
                left_out.append(LeftOut(kind, _shown("/".join(parts), _MAX_PATH)))
                continue
            name = _new_name(parts, names)
            yield name, _read_member(archive, member, name, expanded)


def _read_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, expanded: _Expanded
) -> bytes | Refused:
    if member.flag_bits & _ENCRYPTED:
        return Refused(f"{name} is encrypted. Please send it without a password.", UNUSABLE)
    if member.compress_type not in _METHODS:
        return Refused(
            f"{name} is compressed in a way that is not opened here; the usual one (deflate) is.",
            UNUSABLE,
        )
    try:
        with archive.open(member) as file:
            content = expanded.read(name, file)
    except Refused:
        raise
    except _DAMAGES as error:
        return Refused(f"{name} is damaged in the zip file ({error}).", UNSUPPORTED)
    if isinstance(content, bytes) and is_zip(content):
        return Refused(
            f"{name} is a zip file inside a zip file, which is not opened. Please send it by "
            "itself.",
            UNUSABLE,
        )
    return content
