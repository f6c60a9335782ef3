"""What the members of zip files are called, by whatever program packed them.

A name is UTF-8 where its flag says so; then there is Info-ZIP's Unicode field; then macOS and many
programs write UTF-8 without saying so. All others, as Shift-JIS from Windows, are read as code page
437, as the format's definition says: not what their writer saw, but each its own.
"""

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator

_UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075  # Info-ZIP's extra field: version, CRC-32 of the name in the header, name
_EXTRA = struct.Struct("<HH")
# A backslash separates folders, as some Windows programs write it, but for one after a letter that
# is not ASCII: in Shift-JIS, GBK and Big5 it may be that letter's second byte.
_SEPARATORS = re.compile(r"/|(?<![^\x00-\x7f])\\")
_DRIVE = re.compile(r"[A-Za-z]:")


def parts_of(member: zipfile.ZipInfo) -> tuple[str, ...]:
    """Folders and file name of a member, without those that lead out of the archive.

    Nothing where it is a folder, or has no name.
    """
    name, is_unicode = _name_of(member)
    parts = re.split(r"[/\\]", name) if is_unicode else _SEPARATORS.split(name)
    if not parts[-1]:
        return () if len(parts) > 1 and not member.file_size else ("unnamed",)
    first = parts[0]
    inside = parts[1:] if _DRIVE.fullmatch(first) else parts
    return tuple(part for part in inside if part.strip(". ")) or ("unnamed",)


def _name_of(member: zipfile.ZipInfo) -> tuple[str, bool]:
    """A member's name, and whether its letters are known to be the right ones."""
    if member.flag_bits & _UTF8_FLAG:
        return member.orig_filename, True
    raw = member.orig_filename.encode("cp437")  # which is how zipfile has read it
    for field in _unicode_paths(member.extra, raw):
        return field, True
    try:
        return raw.decode("utf-8"), True
    except UnicodeDecodeError:
        return member.orig_filename, False


def _unicode_paths(extra: bytes, raw: bytes) -> Iterator[str]:
    """The names of Unicode fields that belong to the name in the header."""
    place = 0
    while place + _EXTRA.size <= len(extra):
        kind, size = _EXTRA.unpack_from(extra, place)
        place += _EXTRA.size
        content = extra[place : place + size]
        place += size
        if kind == _UNICODE_PATH and content[:5] == struct.pack("<BL", 1, zlib.crc32(raw)):
            try:
                yield content[5:].decode("utf-8")
            except UnicodeDecodeError:
                continue
