"""A figure as files: SVG for print and pages, PNG for everything else."""

import io
import pathlib
from collections.abc import Mapping

from matplotlib import figure

from input_pipeline.storage.atomic_files import write_together

PNG_DPI = 200


def figure_files(drawing: figure.Figure, name: str) -> dict[str, bytes]:
    """The figure as ``name``.svg and ``name``.png; the same figure gives the same bytes.

    Call it inside ``style.styled()``.
    """
    contents = {}
    for kind, metadata in (("svg", {"Date": None, "Creator": None}), ("png", {"Software": None})):
        buffer = io.BytesIO()
        drawing.savefig(buffer, format=kind, dpi=PNG_DPI, metadata=metadata)
        contents[f"{name}.{kind}"] = buffer.getvalue()
    return contents


def write_figure(directory: pathlib.Path, contents: Mapping[str, bytes]) -> None:
    """Writes what ``figure_files`` gives into a directory, each file whole or not at all."""
    write_together(directory, contents)
