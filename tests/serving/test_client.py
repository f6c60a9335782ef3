"""The client that docs/api.md shows works as it stands there."""

import re

import httpx
import numpy as np
import pytest


@pytest.fixture
def documented_client(root):
    text = (root / "docs" / "api.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1)
    names = {}
    exec(compile(code, "docs/api.md", "exec"), names)
    return names["score"]


@pytest.fixture
def post(client):
    """httpx.post, which reaches the server without a network."""

    def ask(url, *, files, timeout):
        del timeout  # nothing can be late here
        return client.post(url, files=files)

    return ask


@pytest.fixture
def files(tmp_path, encoded):
    rng = np.random.default_rng(0)
    good = [tmp_path / f"{number}.png" for number in range(3)]
    for path in good:
        path.write_bytes(encoded(rng.integers(0, 256, (65, 48, 3), np.uint8)))
    broken = tmp_path / "broken.png"
    broken.write_bytes(good[0].read_bytes()[:80])
    return [*good, broken]


def test_it_gives_what_the_detector_gives(documented_client, post, detector, files, monkeypatch):
    monkeypatch.setattr(httpx, "post", post)
    found = documented_client(files, address="http://127.0.0.1:7860")
    expected = detector.score(files)
    assert [row[0] for row in found] == [path.name for path in files]
    for row, known in zip(found[:3], expected[:3], strict=True):
        assert row[1] == pytest.approx(known.score, abs=1e-5)
        assert row[2] == known.verdict
    assert found[3][1] is None
    assert "broken.png" in found[3][3]


def test_it_comes_back_when_the_server_is_busy(documented_client, post, files, monkeypatch):
    busy = [True, True, False]
    waited = []

    def sometimes(url, **options):
        if busy.pop(0):
            return httpx.Response(503, headers={"Retry-After": "2"}, json={})
        return post(url, **options)

    monkeypatch.setattr(httpx, "post", sometimes)
    monkeypatch.setattr("time.sleep", waited.append)
    assert len(documented_client(files[:1])) == 1
    assert waited == [2, 2]


def test_it_says_what_the_server_says(documented_client, post, files, monkeypatch):
    monkeypatch.setattr(httpx, "post", post)
    with pytest.raises(RuntimeError, match=r"broken\.png cannot be read as a picture"):
        documented_client(files[3:])
