"""What a file is by its content, whatever its name says, and why some kinds are not read."""

import io
import struct

from PIL import TiffImagePlugin

# Kinds that are decoded in a process of their own, by the names that Pillow's plugins give them.
HEIF, AVIF, JPEG_XL = "HEIF", "AVIF", "JXL"
_HEIF_BRANDS = frozenset(b"heic heix heim heis hevc hevx hevm hevs mif1 mif2 msf1 miaf".split())
_AVIF_BRANDS = frozenset([b"avif", b"avis"])
_JPEG_XL_STARTS = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")

# Camera makers' own containers; the others are kinds of TIFF.
_RAW_STARTS = {
    b"FUJIFILMCCD-RAW": "Fujifilm RAF",
    b"IIRO": "Olympus ORF",
    b"IIRS": "Olympus ORF",
    b"MMOR": "Olympus ORF",
    b"IIU\0": "Panasonic RW2",
    b"FOVb": "Sigma X3F",
    b"\0MRM": "Minolta MRW",
    b"II\x1a\0\0\0HEAPCCDR": "Canon CRW",
}
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DNG_VERSION, _SUB_DIRECTORIES, _PHOTOMETRIC = 50706, 330, 262
# PhotometricInterpretation of samples behind colour filters, and of samples in no colour space.
_SENSOR_SAMPLES = (32803, 34892)
_MAX_DIRECTORIES = 20
# Bytes of a value of each type of TIFF that has more than one.
_SIZES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_OTHERS = (
    (b"%PDF-", "a PDF file"),
    (b"8BPS", "a Photoshop file"),
    (b"<svg", "an SVG drawing"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"gimp xcf", "a GIMP file"),
    (b"v/1\x01", "an OpenEXR file"),
    (b"#?RADIANCE", "a Radiance HDR file"),
    (b"PK\x03\x04", "a zip file"),
)
_RENDERING = (
    "rendering it chooses the demosaicing whose traces the detector reads, so a score would be of "
    "that rendering. Give the JPEG or HEIC that the camera made, or the picture that was published"
)


def isolated_kind(data: bytes | memoryview) -> str:
    """`HEIF`, `AVIF` or `JPEG_XL`, '' for another file, by its first bytes."""
    head = bytes(data[:64])
    if head.startswith(_JPEG_XL_STARTS):
        return JPEG_XL
    brands = _brands(head)
    # A brand that many files share, such as mif1, may come first.
    if _AVIF_BRANDS & set(brands):
        return AVIF
    return HEIF if _HEIF_BRANDS & set(brands) else ""


def why_not_read(data: bytes | memoryview) -> str:
    """Why a file that is no picture for this detector is not read; '' where nothing is known."""
    head = bytes(data[:64])
    if name := _raw_name(head, data):
        return f"a RAW file ({name}): {_RENDERING}"
    if head[4:8] == b"ftyp" and not isolated_kind(data):
        return "a video, not a picture"
    for start, name in _OTHERS:
        if head.lstrip().startswith(start):
            return f"{name}, which is not read; give the picture itself, as JPEG or PNG"
    return ""


def why_not_opened(data: bytes | memoryview) -> str:
    """What is said of a file that no decoder takes."""
    if bytes(data[:4]) in _TIFF_STARTS:
        return without_directory(data) or (
            "a TIFF with a kind of samples or compression that is not read; save it with 8 or 16 "
            "bits per sample"
        )
    return "not an image of a known format"


def without_directory(data: bytes | memoryview) -> str:
    """Why a TIFF cannot be read whose first directory is gone, cut off for most; '' for others."""
    if bytes(data[:4]) not in _TIFF_STARTS[:2] or _has_directory(data):
        return ""
    return (
        "damaged image: the end of the file is missing or corrupt, and with it the list of where "
        "in a TIFF its pixels are"
    )


def _has_directory(data: bytes | memoryview) -> bool:
    """Whether the first directory of a TIFF lies within the file, with all its values."""
    sign = "<" if bytes(data[:1]) == b"I" else ">"
    try:
        place = struct.unpack_from(sign + "I", data, 4)[0]
        count = struct.unpack_from(sign + "H", data, place)[0]
        fields = [struct.unpack_from(sign + "HHII", data, place + 2 + 12 * n) for n in range(count)]
    except struct.error:
        return False
    sizes = ((_SIZES.get(kind, 1) * length, at) for _, kind, length, at in fields)
    return bool(fields) and all(size <= 4 or at + size <= len(data) for size, at in sizes)


def _brands(head: bytes) -> list[bytes]:
    """The brands of an ISO media file: the first, and those it is compatible with."""
    if head[4:8] != b"ftyp":
        return []
    size = struct.unpack(">I", head[:4])[0]
    return [head[8:12], *(head[at : at + 4] for at in range(16, min(size, len(head)), 4))]


def _raw_name(head: bytes, data: bytes | memoryview) -> str:
    for start, name in _RAW_STARTS.items():
        if head.startswith(start):
            return name
    if head[4:12] == b"ftypcrx ":
        return "Canon CR3"
    if head[:4] not in _TIFF_STARTS[:2]:
        return ""
    return "Canon CR2" if head[8:10] == b"CR" else _raw_tiff(bytes(data))


def _raw_tiff(data: bytes) -> str:
    """The name of a RAW file built as a TIFF: DNG, or the maker that its tags tell."""
    file = io.BytesIO(data)
    try:
        first = _directory(
            file, data, struct.unpack_from("<I" if data[:1] == b"I" else ">I", data, 4)[0]
        )
        if _DNG_VERSION in first:
            return "DNG"
        places = [*first.get(_SUB_DIRECTORIES, ())][:_MAX_DIRECTORIES]
        directories = [first, *(_directory(file, data, place) for place in places)]
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, struct.error, Warning):
        return ""
    if any(directory.get(_PHOTOMETRIC) in _SENSOR_SAMPLES for directory in directories):
        return str(first.get(271, "")).strip("\0 ") or "of a camera"
    return ""


def _directory(file: io.BytesIO, data: bytes, place: int) -> TiffImagePlugin.ImageFileDirectory_v2:
    directory = TiffImagePlugin.ImageFileDirectory_v2(data[:8])
    file.seek(place)
    directory.load(file)
    return directory
