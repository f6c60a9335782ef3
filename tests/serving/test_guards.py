"""Who may ask, what browsers are told, and what stays on disk."""

import contextlib
import http.client
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import httpx
import pytest

from input_pipeline.errors import UserError
from npr_jax.inference.file_detector import without_folders
from npr_jax.serving.guards import allowed_hosts
from npr_jax.serving.limits import Limits
from npr_jax.serving.server import private_folder, serve
from tests import runs


@pytest.mark.parametrize(
    "host", ["127.0.0.1:7860", "localhost:7860", "[::1]:7860", "LOCALHOST", "127.0.0.1"]
)
def test_our_own_names(client, host):
    assert client.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "8.8.8.8", "", "[::1"]
)
def test_other_names_are_refused(client, host):
    for path in ("/health", "/api/v1/openapi.json"):
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code == 421
        assert "host name" in answer.json()["error"]


def test_a_server_for_the_network_answers_to_addresses_and_to_its_name(make_client):
    client = make_client(host="0.0.0.0")
    for host in ("192.168.1.7:7860", socket.gethostname(), "localhost"):
        assert client.get("/health", headers={"Host": host}).status_code == 200
    assert client.get("/health", headers={"Host": "evil.example"}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_server_answers_to_the_names_it_is_allowed(make_client, host):
    refused = make_client(host=host).get("/health", headers={"Host": "News.example:80"})
    assert refused.status_code == 421
    assert "serve --allow_host=news.example" in refused.json()["error"]
    client = make_client(host=host, allowed=allowed_hosts("news.example, bücher.example"))
    for name in ("news.example", "News.example:80", "xn--bcher-kva.example"):
        assert client.get("/health", headers={"Host": name}).status_code == 200
    assert client.get("/health", headers={"Host": "news.example.evil"}).status_code == 421
    odd = client.get("/health", headers={"Host": "<b>.example"})
    assert "<b>" not in odd.text


def test_a_page_behind_a_proxy_may_send_under_an_allowed_name_alone(make_client, ask, encoded):
    """The proxy puts the server's own address into Host, as nginx does unless told otherwise."""
    file = ("a.png", encoded(runs.picture(0, True)))
    client = make_client(allowed=allowed_hosts("news.example"))
    public, by_browser = {"Origin": "https://news.example"}, {"Sec-Fetch-Site": "same-origin"}
    by_proxy = {"X-Forwarded-Host": "news.example"}
    for headers in (public | by_browser, public | by_proxy, public | {"Host": "news.example"}):
        assert ask(client, file, headers=headers).status_code == 200, headers
    evil = {"Origin": "https://evil.example"}
    for headers in (
        public,
        public | {"Sec-Fetch-Site": "same-site"},
        public | by_proxy | {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://news.example:8080"} | by_proxy,
        evil | by_browser,
        evil | {"X-Forwarded-Host": "evil.example"},
    ):
        assert ask(client, file, headers=headers).status_code == 403, headers
    assert ask(make_client(), file, headers=public | by_browser).status_code == 403


@pytest.mark.parametrize("given", ["https://news.example", "news.example/npr", "*", "a b", "a:80"])
def test_what_is_no_name_is_refused(given):
    with pytest.raises(UserError, match=r"--allow_host=.*expected the name alone"):
        allowed_hosts(given)


def test_pages_of_other_sites_may_not_send(client, ask, encoded):
    file = ("a.png", encoded(runs.picture(0, True)))
    ours = {"Origin": "http://127.0.0.1:7860", "Sec-Fetch-Site": "same-origin"}
    assert ask(client, file, headers=ours).status_code == 200
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        answer = ask(client, file, headers=headers)
        assert answer.status_code == 403, headers
        assert "other sites" in answer.json()["error"]
        assert not [name for name in answer.headers if name.startswith("access-control")]
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    preflight = client.options("/api/v1/score", headers=asked)
    assert not [name for name in preflight.headers if name.startswith("access-control")]


def test_folders_with_brackets_are_not_told():
    for source, shown in (
        ("/home/me (work)/runs/a (best, step 5)", "a (best, step 5)"),
        ("/home/me/fc.pth, /srv/clip.pt (univfd)", "fc.pth, clip.pt (univfd)"),
        ("a state dict", "a state dict"),
    ):
        assert without_folders(source) == shown


def test_answers_tell_browsers_to_be_careful(client):
    for path in ("/health", "/nothing"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in client.get("/health").headers["content-security-policy"]
    assert client.get("/health").headers["cache-control"] == "no-store"


def test_uploads_leave_nothing_on_disk(make_client, ask, encoded):
    large = encoded(runs.picture(0, False, side=1000))
    assert len(large) > 2_000_000, "more than is kept in memory"
    with private_folder() as folder:
        client = make_client(max_bytes=4_000_000)
        for sent in ([("a.png", large)], [("a.png", large)] * 2, [("a.png", large[:-9])]):
            ask(client, *sent)
        ask(client, ("a.png", bytes(5_000_000)))
        assert tempfile.gettempdir() == str(folder)
        assert oct(folder.stat().st_mode & 0o777) == "0o700"
        assert list(folder.iterdir()) == []
    assert not folder.exists()
    assert tempfile.gettempdir() != str(folder)


def test_folders_of_killed_servers_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    abandoned = tmp_path / f"npr-jax-serve-{ended.pid}-abc"
    running = tmp_path / f"npr-jax-serve-{os.getpid()}-abc"
    for folder in (abandoned, running):
        folder.mkdir()
        (folder / "upload").write_bytes(b"private")
    with private_folder():
        assert not abandoned.exists()
        assert running.exists()


def test_a_port_in_use_is_one_line(detector):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"--port={port}.*in use.*--port=0"):
            serve(detector, host="127.0.0.1", port=port, limits=Limits())


@pytest.mark.parametrize("host", ["no such name", "192.0.2.1"])  # the latter is kept for examples
def test_a_host_that_is_not_this_machine_is_told_so(detector, host):
    with pytest.raises(ValueError, match=f"--host={host} .*; give as --host .* 0.0.0.0") as caught:
        serve(detector, host=host, port=0, limits=Limits())
    assert "another --port" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workdir=a,b"], "takes one detector, not an ensemble"),
        (["--workdir=a", "--weights=b"], "give either --workdir=RUN or --weights=FILE"),
        (["--workdir=a", "--max_files=0"], "--max_files=0; expected more than 0"),
    ],
)
def test_wrong_usage_is_one_line(arguments, message):
    finished = runs.main("serve", *arguments, status=2)
    assert message in finished.stderr
    assert finished.stderr.count("\n") == 1


# Imports then fail as if it were not installed.
WITHOUT = (
    "import runpy, sys; sys.modules.update(dict.fromkeys({names!r})); sys.argv[0] = 'main.py'; "
    "runpy.run_path('main.py', run_name='__main__')"
)


def test_without_gradio_the_fix_is_said(trained):
    code = WITHOUT.format(names=("gradio",))
    finished = runs.python("-c", code, "serve", f"--workdir={trained.workdir}", status=2)
    assert "pip install 'npr-jax[serve]'" in finished.stderr
    assert "Traceback" not in finished.stderr


@contextlib.contextmanager
def serving(trained, folder):
    """The command without TensorFlow, on a port of its own: its process and address."""
    code = WITHOUT.format(names=("tensorflow", "tensorflow_datasets"))
    command = [sys.executable, "-c", code, "serve", f"--workdir={trained.workdir}", "--port=0"]
    with subprocess.Popen(
        command,
        cwd=runs.ROOT,
        env=os.environ | {"TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            line = process.stdout.readline()
            yield process, re.fullmatch(r"ready: (http://127\.0\.0\.1:\d+/)\n", line).group(1)
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_command_answers_and_ends_cleanly(trained, encoded, tmp_path, ending):
    """What it wrote is gone at the end."""
    with serving(trained, tmp_path) as (process, address):
        [folder] = tmp_path.glob("npr-jax-serve-*")
        with urllib.request.urlopen(f"{address}health", timeout=300) as answer:
            assert answer.status == 200
            assert "server" not in answer.headers
        data = encoded(runs.picture(0, True))
        files = [("files", ("a.png", data))]
        with httpx.Client(trust_env=False, timeout=300) as client:
            [result] = client.post(f"{address}api/v1/score", files=files).json()["results"]
        process.send_signal(ending)
        assert process.wait(300) == 0
        assert "; engine: " in process.stderr.read()
    assert not folder.exists()
    (tmp_path / "a.png").write_bytes(data)
    predicted = runs.main("predict", f"--workdir={trained.workdir}", tmp_path / "a.png")
    score = float(predicted.stdout.splitlines()[1].split(",")[1])
    assert result["score"] == pytest.approx(score, abs=1e-5)


@pytest.mark.slow
def test_a_connection_that_was_idle_is_answered(trained, tmp_path):
    """By itself uvicorn closes it after 5 s, just when a client that had to wait asks again."""
    with serving(trained, tmp_path) as (_, address):
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(address).netloc, timeout=300)
        connection.connect()
        first = connection.sock
        for idle in (0, 8):
            time.sleep(idle)
            connection.request("GET", "/health")
            with connection.getresponse() as answer:
                assert answer.status == 200
                answer.read()
        assert connection.sock is first
        connection.close()


@pytest.mark.slow
def test_a_short_load_run_finds_nothing_wrong(trained, tmp_path):
    output = tmp_path / "load.json"
    arguments = (f"--workdir={trained.workdir}", "--clients=6", "--seconds=8", "--pictures=30")
    finished = subprocess.run(
        [sys.executable, "benchmarks/serve_load.py", *arguments, f"--output={output}"],
        cwd=runs.ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": "."},
    )
    assert "number wrong: 0" in finished.stdout, finished.stdout + finished.stderr
    assert '"pictures scored": 0' not in pathlib.Path(output).read_text()
