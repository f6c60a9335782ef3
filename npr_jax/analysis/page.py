"""A page: pieces of HTML in one file that refers to nothing outside itself."""

import base64
import hashlib
import importlib.resources
import pathlib
import re
import string
from collections.abc import Sequence

from input_pipeline.storage.atomic_files import write_file
from npr_jax.analysis.markup import escape, slug

_HEADING = re.compile(r"<h2>(.*?)</h2>", re.DOTALL)


def write_page(path: pathlib.Path, title: str, parts: Sequence[str]) -> pathlib.Path:
    """Writes `path` whole or not at all; headings of level 2 become the page's contents.

    The page's security policy allows its own script (by its hash) and images inside the file, so
    that nothing it shows, however it is named, can run or call home.
    """
    body, contents = _number_headings("\n".join(parts))
    script = _read("page.js").strip()
    page = string.Template(_read("page.html")).substitute(
        title=escape(title),
        policy=f"script-src 'sha256-{_digest(script)}'",
        style=_read("page.css").strip(),
        script=script,
        contents=contents,
        body=body,
    )
    write_file(path, page.encode(errors="replace"))
    return path


def _number_headings(body: str) -> tuple[str, str]:
    """The body with an identifier in each heading, and links to them."""
    links: list[str] = []

    def name(match: re.Match[str]) -> str:
        identifier = f"s{len(links) + 1}-{slug(match[1])[:40]}"
        links.append(f'<a href="#{identifier}">{match[1]}</a>')
        return f'<h2 id="{identifier}">{match[1]}</h2>'

    return _HEADING.sub(name, body), "".join(links)


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def _read(name: str) -> str:
    return importlib.resources.files("npr_jax.analysis").joinpath(name).read_text(encoding="utf-8")
