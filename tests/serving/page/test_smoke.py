"""The page answers, with the number that the detector gives, and asks nobody else for anything."""

import pytest

from tests.serving.page.pictures import pixels, write


def test_a_picture_gets_the_detectors_score_and_nobody_else_is_asked(
    page_server, visit, scores_of, tmp_path
):
    path = write(tmp_path / "one.png", pixels(1))
    tab = visit(page_server)
    tab.give("one", path)
    [card], [expected] = tab.cards("one"), scores_of(path)
    assert card["score"] == pytest.approx(expected.score, abs=1e-5)
    assert card["shown"] == f"{expected.score:.4f}"
    assert page_server.asked_for == []
