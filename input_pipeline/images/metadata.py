"""What an image file tells without its pixels: format, sizes, JPEG settings; and as a picture."""

from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image

from input_pipeline.images.codecs import PILLOW_ERRORS
from input_pipeline.images.isolated import describe_isolated
from input_pipeline.images.jpeg_tables import EXACT, photoshop_setting, read_tables
from input_pipeline.images.kinds import isolated_kind
from input_pipeline.images.plugins import stored_size
from input_pipeline.images.rgb import has_alpha
from input_pipeline.images.transforms import MAX_PIXELS, named_reasons, open_image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")
FEATURES = (
    *(f"is {name}" for name in FORMATS),
    "height",
    "width",
    "bytes per pixel",
    "mean of the luminance quantisation table",
    "chroma subsampled",
)
_SAMPLINGS: dict[tuple[float, float], str] = {
    (1, 1): "4:4:4",
    (2, 1): "4:2:2",
    (2, 2): "4:2:0",
    (1, 2): "4:4:0",
    (4, 1): "4:1:1",
}
SIDE = 32  # pixels of a metadata picture, the smallest images that are scored
LOG_RANGE = 16.0  # of the natural logarithm in it: features up to 8.9 million
LEVELS = 2**24 - 1


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file says of itself."""

    format: str  # as Pillow names it: JPEG, PNG, WEBP, ...
    height: int  # pixels
    width: int  # pixels
    num_bytes: int  # size of the file
    luminance: float  # JPEG: mean of the luminance quantisation table, else 0
    # JPEG: libjpeg quality, 1 to 100, whose table is nearest to the file's; else None.
    quality: int | None
    certainty: str  # JPEG: how near that table is, see `jpeg_tables`; else ''
    subsampling: str  # JPEG: '4:4:4', '4:2:2', '4:2:0', ..., 'grey' or 'other'; else ''
    encoder: str = ""  # JPEG: who writes such tables, where that is known
    setting: str = ""  # JPEG: of that encoder
    steps: tuple[int, ...] = ()  # JPEG: the 64 of luminance, row by row
    # How pixels as stored are to be turned to stand upright: EXIF's number, 1 to 8.
    orientation: int = 1
    pictures: int = 1  # in the file: frames of an animation, pictures of a container
    has_alpha: bool = False  # whether pixels may be transparent

    @property
    def standard_table(self) -> bool:
        """Whether a JPEG's table is exactly libjpeg's of its quality."""
        return self.certainty == EXACT

    def features(self) -> np.ndarray:
        """Returns what a classifier on metadata sees, float64 ``[len(FEATURES)]``."""
        density = self.num_bytes / (self.height * self.width)
        subsampled = float(self.subsampling not in ("", "grey", "4:4:4"))
        kinds = (float(self.format == name) for name in FORMATS)
        return np.array([*kinds, self.height, self.width, density, self.luminance, subsampled])


def read_facts(data: bytes | memoryview) -> FileFacts:
    """Reads the facts of an encoded image; no pixel is decoded.

    Raises:
      UnreadableImageError: the bytes are no image.
    """
    with named_reasons(data):
        if isolated_kind(data):
            return FileFacts(
                **describe_isolated(data, MAX_PIXELS),
                num_bytes=len(data),
                luminance=0.0,
                quality=None,
                certainty="",
                subsampling="",
            )
        with open_image(data) as image:
            width, height = stored_size(image)
            tables = getattr(image, "quantization", None) or {}
            comment = image.info.get("comment", b"")
            layers = getattr(image, "layer", None) or []
            # Of several pictures in a JPEG (MPO, gain maps) the first counts: a JPEG.
            kind = "JPEG" if image.format == "MPO" else image.format or ""
            pictures = 1 if kind == "JPEG" else getattr(image, "n_frames", 1)
            orientation, transparent = _orientation(image), has_alpha(image)
            photoshop = _photoshop(image)
    table = tables.get(0)
    known = None
    if table is not None:
        ordered = [table, *(tables[number] for number in sorted(tables) if number)]
        known = read_tables(ordered, comment if isinstance(comment, bytes) else b"", photoshop)
    return FileFacts(
        format=kind,
        height=height,
        width=width,
        num_bytes=len(data),
        luminance=float(np.mean(table)) if table is not None else 0.0,
        quality=known.quality if known else None,
        certainty=known.certainty if known else "",
        subsampling=_subsampling(layers),
        encoder=known.encoder if known else "",
        setting=known.setting if known else "",
        steps=tuple(table) if table is not None else (),
        orientation=orientation,
        pictures=pictures,
        has_alpha=transparent,
    )


def _photoshop(image: Image.Image) -> str:
    """What Photoshop's own fields in a JPEG say of its setting; empty without them."""
    resources = image.info.get("photoshop")
    resource = resources.get(0x0406) if isinstance(resources, dict) else None
    segments = dict(getattr(image, "applist", ()))
    return photoshop_setting(resource or b"", segments.get("APP12", b""))


def _orientation(image: Image.Image) -> int:
    """EXIF's number, 1 where there is none, or damaged metadata."""
    try:
        found = image.getexif().get(ExifTags.Base.Orientation, 1)
    except PILLOW_ERRORS:
        return 1
    return found if found in range(1, 9) else 1


def _subsampling(layers: list[tuple[int, int, int, int]]) -> str:
    """Names the chroma subsampling; a layer is (id, horizontal, vertical sampling, table)."""
    if not layers:
        return ""
    if len(layers) == 1:
        return "grey"
    (_, h, v, _), *colours = layers
    if len({layer[1:3] for layer in colours}) != 1 or len(layers) != 3:
        return "other"
    ratio = (h / colours[0][1], v / colours[0][2])
    return _SAMPLINGS.get(ratio, "other")


def metadata_picture(data: bytes | memoryview) -> np.ndarray:
    """Returns a file's metadata as a picture, which reaches a network on the way that pixels take.

    Row i, column 0 holds feature i of `FEATURES` as `log(1 + feature) / 16` in 24 bits, the highest
    eight in red and the lowest in blue; everything else is 0. The features can be had back from it
    to one part in a million of their logarithm's range.

    Returns:
      uint8 [SIDE, SIDE, 3].

    Raises:
      UnreadableImageError: the bytes are no image.
    """
    share = np.clip(np.log1p(read_facts(data).features()) / LOG_RANGE, 0, 1)
    levels = np.rint(share * LEVELS).astype(np.int64)
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    for channel, shift in enumerate((16, 8, 0)):
        picture[: len(FEATURES), 0, channel] = (levels >> shift) & 255
    return picture
