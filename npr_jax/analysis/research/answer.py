"""What each research question gives: a verdict, a paragraph, a table and a figure."""

from __future__ import annotations

import dataclasses

from matplotlib import figure


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer, every word and number of it computed from a result table.

    Attributes:
        name: of its blocks, ``NAME`` (all of it) and ``NAME.short`` (the verdict), and of its
            figure, ``NAME.svg``.
        short: the verdict in one or two sentences.
        paragraph: what was compared and what came out, Markdown.
        table: Markdown; empty where there is none.
        caption: what the figure shows, on what data, how many images, how many seeds.
        figure: None where there is nothing to draw.
    """

    name: str
    short: str
    paragraph: str = ""
    table: str = ""
    caption: str = ""
    figure: figure.Figure | None = None

    def blocks(self, images: str) -> dict[str, str]:
        """{name of a block: Markdown}; ``images``: folder of the figures as the page sees it."""
        drawing = f"![{self.caption}]({images}/{self.name}.svg)\n\n*{self.caption}*"
        parts = [
            f"**{self.short}**",
            self.paragraph,
            drawing if self.figure else "",
            self.table,
        ]
        picture = f"![h:420]({images}/{self.name}.svg)" if self.figure else "No figure yet."
        return {
            self.name: "\n\n".join(part for part in parts if part),
            f"{self.name}.short": self.short,
            f"{self.name}.slide": f"{self.short}\n\n{picture}",
        }


def missing(name: str, table: str, what: str = "") -> Answer:
    """The answer to a question whose table is not there or not far enough."""
    reason = what or f"`docs/results/{table}.csv` is not there"
    return Answer(name, f"Not measured yet: {reason}.")
