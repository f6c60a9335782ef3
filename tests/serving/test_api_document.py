"""The Python client of docs/serve.md, run as it is printed there."""

import re
import threading

import pytest
import uvicorn

from npr_jax.serving.limits import Limits
from npr_jax.serving.server import build_app
from npr_jax.serving.service import Service
from tests import runs


@pytest.fixture
def address(detector):
    """A server on loopback, in this process."""
    service = Service(detector, Limits(seconds=600))
    server = uvicorn.Server(
        uvicorn.Config(build_app(service), port=0, log_level="warning", lifespan="off")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()
    service.close()


def test_the_client_prints_the_score(address, detector, encoded, tmp_path, monkeypatch, capsys):
    (tmp_path / "photo.jpg").write_bytes(encoded(runs.picture(3, False), "JPEG", quality=90))
    text = (runs.ROOT / "docs" / "serve.md").read_text()
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1)
    monkeypatch.chdir(tmp_path)
    exec(compile(code.replace("http://127.0.0.1:7860", address), "serve.md", "exec"), {})
    name, score, verdict, *reason = capsys.readouterr().out.split()
    [expected] = detector.score([tmp_path / "photo.jpg"])
    assert (name, verdict in ("generated", "photograph", "unsure")) == ("photo.jpg", True)
    assert float(score) == pytest.approx(expected.score, abs=1e-6)
    assert reason


def test_the_guide_lists_what_the_answers_say_the_detector_cannot_tell(client, ask, good):
    text = (runs.ROOT / "docs" / "serve.md").read_text()
    _, section = text.split("below every answer.\n\n- ")
    listed = section.split("\n\n")[0].split("\n- ")
    caveats = ask(client, ("a.png", good)).json()["caveats"]
    assert caveats == [" ".join(item.split()) for item in listed]


def test_every_field_and_status_is_in_the_document(client):
    text = (runs.ROOT / "docs" / "serve.md").read_text()
    parts = client.get("/api/v1/openapi.json").json()
    for name in ("ResultAnswer", "FactsAnswer", "DeliveryAnswer", "Identity", "ErrorAnswer"):
        schema = parts["components"]["schemas"].get(name, {"properties": {}})
        for field in schema["properties"]:
            assert f"`{field}`" in text or f'"{field}"' in text, (name, field)
    for status in parts["paths"]["/api/v1/score"]["post"]["responses"]:
        assert status == "200" or f"| {status} |" in text, status
