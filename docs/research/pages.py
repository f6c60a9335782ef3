"""Pages with generated blocks: prose that people edit, and between two marks what is computed.

A block begins with the line ``[//]: # (begin: NAME)`` and ends with ``[//]: # (end: NAME)``. That
is a link definition nobody refers to, which no renderer shows; an HTML comment would be shown to
the speaker of a slide as a note.
"""

import re
from collections.abc import Mapping

_BLOCK = re.compile(
    r"^\[//\]: # \(begin: (?P<name>[\w.-]+)\)\n.*?^\[//\]: # \(end: (?P=name)\)$",
    re.MULTILINE | re.DOTALL,
)
_MARK = re.compile(r"^\[//\]: # \((?:begin|end): ([\w.-]+)\)$", re.MULTILINE)


def fill(page: str, blocks: Mapping[str, str]) -> str:
    """The page with each of its blocks made anew.

    Args:
        page: Markdown with marks.
        blocks: {name: Markdown}; those that the page has no marks for are not used.

    Raises:
        ValueError: for a block without content, or a mark without its other half.
    """
    names = [match["name"] for match in _BLOCK.finditer(page)]
    unknown = sorted(set(names) - set(blocks))
    if unknown:
        raise ValueError(
            f"the page has blocks {', '.join(unknown)} that nothing makes; "
            f"known are {', '.join(sorted(blocks))}"
        )
    marks = _MARK.findall(page)
    odd = sorted({mark for mark in marks if marks.count(mark) != 2 * names.count(mark)})
    if odd:
        raise ValueError(f"block {odd[0]} has not one begin and one end mark, in this order")
    return _BLOCK.sub(lambda match: _block(match["name"], blocks[match["name"]]), page)


def _block(name: str, content: str) -> str:
    return f"[//]: # (begin: {name})\n\n{content.strip()}\n\n[//]: # (end: {name})"
