"""What each research question gives: a verdict, a paragraph, a table and a figure."""

from __future__ import annotations

import dataclasses

from matplotlib import figure

UNMEASURED = "not measured yet"


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer, every word and number of it computed from a result table.

    Attributes:
        name: of its blocks, ``NAME`` (all of it) and ``NAME.slide`` (verdict and figure, with the
            paragraph as the speaker's note), and of its figure, ``NAME.svg``.
        question: as a reader would ask it.
        word: the answer in a word or a few: "no", "not shown".
        short: the verdict in one or two sentences.
        paragraph: what was compared and what came out, Markdown.
        table: Markdown; empty where there is none.
        caption: what the figure shows, on what data, how many images, how many seeds.
        figure: None where there is nothing to draw.
    """

    name: str
    question: str
    word: str
    short: str
    paragraph: str = ""
    table: str = ""
    caption: str = ""
    figure: figure.Figure | None = None

    def blocks(self, images: str) -> dict[str, str]:
        """{name of a block: Markdown}; ``images``: folder of the figures as the report sees it.

        The slides lie a folder deeper.
        """
        what = self.caption.split(". ")[0]
        drawing = f"![{what}]({images}/{self.name}.svg)\n\n*{self.caption}*"
        parts = [
            f"**{self.short}**",
            self.paragraph,
            drawing if self.figure else "",
            _folded(self.table) if self.figure else self.table,
        ]
        picture = f"![w:960](../{images}/{self.name}.svg)" if self.figure else ""
        note = f"<!--\n{self.paragraph}\n-->" if self.paragraph else ""
        slide = [self.short, picture or self.table, note]
        return {
            self.name: "\n\n".join(part for part in parts if part),
            f"{self.name}.slide": "\n\n".join(part for part in slide if part),
        }


def _folded(table: str) -> str:
    """A table that opens when it is clicked: what it holds, the figure shows."""
    return f"<details>\n<summary>The figures and tests behind it</summary>\n\n{table}\n\n</details>"


def missing(name: str, question: str, reason: str) -> Answer:
    """The answer to a question whose table is not there or not far enough."""
    return Answer(name, question, UNMEASURED, f"Not measured yet: {reason}.")


def absent(table: str) -> str:
    """That a table is missing, as a reason."""
    return f"`docs/results/{table}.csv` is not there"
