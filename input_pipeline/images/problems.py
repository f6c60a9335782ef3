"""Errors about one image, each of a kind, so that failures are counted without reading words."""

import enum

from input_pipeline.errors import UserError


class ProblemKind(enum.StrEnum):
    """What is wrong with an image that cannot be used."""

    UNREADABLE = "unreadable"
    TOO_SMALL = "too small"
    TOO_LARGE = "too large"


class ImageProblem(UserError):
    """One image cannot be used; the message says why, `kind` which kind of reason that is."""

    kind = ProblemKind.UNREADABLE


class UnreadableImageError(ImageProblem):
    """Bytes that are no image, are cut short, or are too large; the message is the reason."""


class TooManyPixelsError(UnreadableImageError):
    """An image file with more pixels than are accepted; none of them has been decoded."""

    kind = ProblemKind.TOO_LARGE


class ImageTooSmallError(ImageProblem):
    """An image with a side below what the networks need."""

    kind = ProblemKind.TOO_SMALL


class ImageTooLargeError(ImageProblem):
    """An image that a file format or a network cannot hold."""

    kind = ProblemKind.TOO_LARGE
