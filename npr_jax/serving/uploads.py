"""What users send, one file at a time: zip files are opened, within limits."""

import io
import pathlib
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import IO

from npr_jax.serving.limits import CONTENT_TOO_LARGE, MEGA, UNSUPPORTED, UNUSABLE, Limits, Refused

# A file by its name, or why a zip file's member cannot be had.
Upload = tuple[str, bytes | Refused]

_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")  # the second: an empty archive
_ENTRY = b"PK\x01\x02"  # begins an entry of an archive's directory
_MAX_ENTRIES = 20_000  # folders and hidden files among them; a directory's entry costs 1 kB
_MAX_NAME = 120  # characters
_ENCRYPTED = 0x1
_CHUNK = 2**20
# Python reads other methods without a bound on what a few bytes expand to.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGES = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError)


def expand(files: Iterable[tuple[str, bytes]], limits: Limits) -> Iterator[Upload]:
    """The files of one request, those inside zip files in their place.

    Folders, hidden files and what macOS adds to archives are left out, as ``predict`` does.

    Yields:
        ``(base name, bytes)``, or ``(base name, Refused)`` for a member of a zip file that is
        encrypted, damaged, too large, or itself a zip file.

    Raises:
        Refused: for a damaged zip file, too many files, or too many bytes in zip files.
    """
    count = 0
    expanded = _Expanded(limits)
    for name, data in files:
        name = base_name(name)
        for upload in _members(name, data, expanded) if is_zip(data) else [(name, data)]:
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
    last = pathlib.PurePosixPath(name.replace("\\", "/")).name
    shown = "".join(c if c.isprintable() else "�" for c in last)
    if len(shown) > _MAX_NAME:
        shown = f"{shown[: _MAX_NAME - 21]}…{shown[-20:]}"
    return shown if shown.strip(". ") else "unnamed"


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


def _members(archive_name: str, data: bytes, expanded: _Expanded) -> Iterator[Upload]:
    if data.count(_ENTRY) > _MAX_ENTRIES:
        raise Refused(f"{archive_name} lists too many files.", CONTENT_TOO_LARGE)
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except _DAMAGES as error:
        raise Refused(f"{archive_name} is a damaged zip file ({error}).", UNSUPPORTED) from error
    with archive:
        for member in archive.infolist():
            if not (member.is_dir() or _is_hidden(member.filename)):
                name = base_name(member.filename)
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


def _is_hidden(name: str) -> bool:
    parts = pathlib.PurePosixPath(name.replace("\\", "/")).parts
    # `..` is no hidden folder: such names are shown without their folders and nothing is written.
    return any(p == "__MACOSX" or (p.startswith(".") and p.strip(".")) for p in parts)
