"""The pages of the documentation are few, and each link in them leads somewhere."""

import re

import pytest

from tests import runs

PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "docs/slides/*.md", "docs/results/*.md", "findings/*.md")
    for path in runs.ROOT.glob(pattern)
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def anchors(text):
    """What GitHub makes of the headings: lower case, spaces as hyphens, no other signs."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-").lower() for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(runs.ROOT)))
def test_each_link_leads_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    lost = []
    for link in LINK.findall(text):
        if link.startswith(("http://", "https://")):
            continue
        target, _, anchor = link.partition("#")
        file = (page.parent / target) if target else page
        if not file.exists() or (
            anchor and file.suffix == ".md" and anchor not in anchors(file.read_text("utf-8"))
        ):
            lost.append(link)
    assert not lost


def test_the_documentation_is_short():
    docs = runs.ROOT / "docs"
    assert len([path for path in docs.glob("*.md") if path.name != "README.md"]) <= 14
    assert len((runs.ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
    index = (docs / "README.md").read_text(encoding="utf-8")
    assert all(f"({path.name})" in index for path in docs.glob("*.md") if path.name != "README.md")
