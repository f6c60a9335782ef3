"""How much of a picture is transparent: what the detector sees as plain grey."""

from input_pipeline.images.isolated import transparent_share_isolated
from input_pipeline.images.kinds import isolated_kind
from input_pipeline.images.metadata import FileFacts
from input_pipeline.images.rgb import transparent_share
from input_pipeline.images.transforms import MAX_PIXELS, named_reasons, open_image


def transparent_share_of(data: bytes | memoryview, facts: FileFacts) -> float:
    """Returns the share of a picture that is not there, 0 to 1; half-transparent counts half.

    Only files with an alpha channel are decoded for it.

    Raises:
      UnreadableImageError: pixels are missing or corrupt.
    """
    if not facts.has_alpha:
        return 0.0
    if isolated_kind(data):
        return transparent_share_isolated(data, MAX_PIXELS)
    with named_reasons(data), open_image(data) as image:
        return transparent_share(image)
