"""What the page says besides what ``words`` says of a picture: headings, explanations."""

from __future__ import annotations

from npr_jax.detectors.calibration import GENERATED, PHOTOGRAPH, UNSURE

TITLE = "Photograph or generated?"
QUESTION = "Photograph, or made by a generator?"
LEAD = (
    "Give it a picture. It answers whether the picture looks generated, how sure it is, and why. "
    "Pictures go to this server only, are deleted as soon as they are read, and go nowhere else."
)
# A word for the badge and a shape, so that no verdict is told by its colour alone.
VERDICTS = {GENERATED: "Generated", PHOTOGRAPH: "Photograph", UNSURE: "Unsure"}
SHAPES = {GENERATED: "◆", PHOTOGRAPH: "●", UNSURE: "?"}
BADGES = {
    GENERATED: "Looks generated",
    PHOTOGRAPH: "Looks like a photograph",
    UNSURE: "Unsure",
}

RESIDUAL = (
    "A residual is what the detector looks at: the picture minus a copy that was made smaller and "
    "enlarged again. Grey means no difference. Photographs leave irregular grain; the enlarging "
    "step of many generators leaves a regular pattern."
)
HEAT_MAP = (
    "Where the evidence was found. Orange places speak for generated, blue ones for a photograph; "
    "the stronger the colour, the more. Every picture has a strongest place, also one without "
    "anything generated: look at the score first."
)
ATTENTION = (
    "How much the detector listened to each scale, adding up to 100 %. It says which view was "
    "listened to, not where in the picture something is."
)
DELIVERY = (
    "The same picture was saved again as messengers and web sites do it, and scored each time. A "
    "verdict worth having stays the same. Shapes: ◆ generated, ● photograph, ? unsure; dashed: "
    "the score as it came. Enlarging (over 100 %) is shown and does not count."
)
UNSURE_MEANS = (
    "Unsure: the detector has not shown to be right often enough with scores like this one to give "
    "a verdict."
)
SCORE = "0 is photograph, 1 is generated."
PASTED_NAME = "pasted-picture"  # page.js calls such files so
PASTED = (
    "This picture was pasted. One copied inside a browser reaches the clipboard as a new file: its "
    "pixels are mostly kept, its metadata and the traces of its JPEG settings are not. Better save "
    "it and drop the file."
)


def scale_in_words(scale: str) -> str:
    """What is done to the copy at a scale, as ``0.5``."""
    try:
        factor = float(scale)
    except ValueError:
        return f"Residual, {scale}"
    return f"Residual, copy at {100 * factor:g} % of the size"


def file_size(num_bytes: int) -> str:
    """Bytes as people say them."""
    if num_bytes < 1000:
        return f"{num_bytes} bytes"
    if num_bytes < 1_000_000:
        return f"{num_bytes / 1000:.0f} kB"
    return f"{num_bytes / 1_000_000:.1f} MB"
