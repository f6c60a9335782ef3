"""A figure as files: SVG for print and pages, PNG for everything else."""

import io

from matplotlib import figure

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
