"""The page answers, with the number that the detector gives, and asks nobody else for anything."""

import pytest

from tests.serving.page.pictures import pixels, write
from tests.serving.page.proxy import below_a_path
from tests.serving.page.running import RunningServer


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


@pytest.mark.slow
def test_the_page_works_behind_a_proxy_below_a_path(trained, visit, scores_of, tmp_path):
    """Under a name that `--allow_host` gives; without it the pictures are refused."""
    server = RunningServer(tmp_path, f"--workdir={trained.workdir}", "--allow_host=localhost")
    path = write(tmp_path / "one.png", pixels(1))
    try:
        with below_a_path(server.address, "/tools/npr") as address:
            tab = visit(server, address=address)
            tab.give("one", path)
            [card], [expected] = tab.cards("one"), scores_of(path)
            assert card["score"] == pytest.approx(expected.score, abs=1e-5)
    finally:
        server.stop()
