"""What cannot be had through the page: files, other hosts, Gradio's own routes, too much."""

import http.server
import json
import re
import socket
import stat
import threading
import urllib.parse

import httpx
import pytest

from tests.serving.page.pictures import encoded, pixels

pytestmark = pytest.mark.slow
JOIN = "gradio_api/queue/join"


@pytest.fixture
def http_client(page_server):
    with httpx.Client(base_url=page_server.address, timeout=300) as client:
        yield client


@pytest.fixture
def events(http_client):
    """Sends an event by hand; the answer's text."""
    config = http_client.get("config").json()
    by_part = {}
    names = {
        component["id"]: component["props"].get("elem_id") for component in config["components"]
    }
    for dependency in config["dependencies"]:
        for target, _ in dependency["targets"]:
            by_part[names.get(target)] = dependency["id"]

    def send(part, *, data=(), event_data=None, session="byhand"):
        body = {
            "data": list(data),
            "event_data": event_data,
            "fn_index": by_part[f"{part}-zone"],
            "session_hash": session,
        }
        joined = http_client.post(JOIN, json=body)
        if joined.status_code != 200:
            return joined.status_code, joined.text
        with http_client.stream("GET", f"gradio_api/queue/data?session_hash={session}") as answer:
            said = ""
            for line in answer.iter_lines():
                said += line
                if "process_completed" in line:
                    break
        return 200, said

    return send


def test_no_path_of_the_servers_disk_is_served(http_client, trained, page_server, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    (tmp_path / "link.txt").symlink_to(secret)
    places = [secret, tmp_path / "link.txt", trained.workdir / "config.json", "/etc/passwd"]
    routes = (
        "gradio_api/file={}", "gradio_api/file/{}", "file={}", "file/{}", "static/{}", "assets/{}",
        "static/../../../../../..{}", "assets/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e{}",
        "static/..%2f..%2f..%2f..%2f..%2f..%2f..%2f..{}", "assets//{}", "svelte/{}",
        "gradio_api/custom_component/x/client/component/..{}", "gradio_api/proxy=file://{}",
        "page/examples/..{}", "page/..{}", "page/examples/%2e%2e%2f%2e%2e{}",
    )  # fmt: skip
    for place in places:
        for route in routes:
            # Raw, so that the client does not tidy up the path.
            url = httpx.URL(page_server.address).copy_with(
                raw_path=("/" + route.format(place)).encode()
            )
            answer = http_client.get(url)
            assert answer.status_code in (400, 403, 404, 405), (route, answer.status_code)
            assert "secret" not in answer.text.replace(str(place), "")
            assert "root:" not in answer.text
            assert "learning_rate" not in answer.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "gradio_api/upload"),
        ("POST", "gradio_api/run/predict"),
        ("POST", "gradio_api/api/predict"),
        ("POST", "gradio_api/call/examine"),
        ("POST", "gradio_api/component_server"),
        ("POST", "gradio_api/process_recording"),
        ("POST", "gradio_api/vibe-edit"),
        ("POST", "gradio_api/stream/x"),
        ("POST", "login"),
        ("GET", "gradio_api/info"),
        ("GET", "gradio_api/openapi.json"),
        ("GET", "gradio_api/runs"),
        ("GET", "gradio_api/run-history/buckets"),
        ("GET", "gradio_api/deep_link?session_hash=x"),
        ("GET", "gradio_api/dev/reload"),
        ("GET", "gradio_api/mcp/sse"),
        ("GET", "monitoring/summary"),
        ("GET", "docs"),
        ("GET", "openapi.json"),
        ("PUT", ""),
        ("DELETE", "gradio_api/queue/join"),
    ],
)
def test_what_the_page_does_not_need_is_not_there(http_client, method, path):
    assert http_client.request(method, path).status_code in (404, 405)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "api/v1/score", 405),
        ("POST", "health", 405),
        ("PUT", "page/upload", 405),
        ("GET", "api/v1/nothing", 404),
        ("GET", "page/examples/99.png", 404),
    ],
)
def test_the_pages_errors_say_who_answers_too(http_client, method, path, status):
    answer = http_client.request(method, path)
    known = http_client.get("health").json()
    assert answer.status_code == answer.json()["status"] == status
    assert answer.json()["error"]
    assert answer.json()["checkpoint"] == known["checkpoint"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "changed",
    [
        {"fn_index": 99},
        {"fn_index": -1},
        {"fn_index": None},
        {"fn_index": "0"},
        {"session_hash": "x" * 100_000},
        {"session_hash": None},
    ],
)
def test_messages_that_the_page_does_not_send_are_refused(http_client, changed):
    body = {"data": [], "fn_index": 0, "session_hash": "made-up"} | changed
    answer = http_client.post(JOIN, json=body)
    assert answer.status_code == 422
    assert "sends no such message" in answer.json()["error"]
    no_number = '{"data": [], "fn_index": 0, "session_hash": "a", "trigger_id": 1e400}'
    assert http_client.post(JOIN, content=no_number).status_code == 400


@pytest.fixture
def listener():
    """A web server on this machine that writes down who asks it."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", asked
        server.shutdown()


def test_an_event_may_not_name_files_or_addresses(events, http_client, listener, tmp_path):
    address, asked = listener
    picture = tmp_path / "on-the-server.png"
    picture.write_bytes(encoded(pixels(90)))
    meta = {"meta": {"_type": "gradio.FileData"}}
    for made_up in (
        {"path": str(picture)} | meta,
        {"path": "/etc/passwd", "orig_name": "x.png"} | meta,
        {"path": address + "a.png"} | meta,
        {"path": "x.png", "url": address + "b.png"} | meta,
        {"url": address + "c.png"} | meta,
    ):
        for part in ("one", "batch", "left"):
            status, said = events(part, data=[[made_up]])
            assert (status, "may not name files" in said) == (403, True)
            status, said = events(part, event_data={"tokens": [made_up]})
            assert status == 403
    for url in (address, "http://192.0.2.1/"):
        assert http_client.get(f"gradio_api/proxy={url}").status_code == 404
        assert http_client.get(f"gradio_api/file={url}").status_code == 404
    assert asked == []


@pytest.mark.parametrize(
    "event_data",
    [
        None,
        {"tokens": "one"},
        {"tokens": []},
        {"tokens": ["/etc/passwd"]},
        {"tokens": ["../../../../etc/passwd", "."]},
        {"tokens": [7]},
        {"tokens": ["x"] * 200},
        ["tokens"],
    ],
)
@pytest.mark.parametrize("part", ["one", "batch", "left"])
def test_made_up_events_get_a_sentence(events, part, event_data):
    status, said = events(part, event_data=event_data)
    assert status == 200
    assert 'role=\\"alert\\"' in said
    assert "Traceback" not in said
    assert "root:" not in said


def test_a_file_that_waits_can_be_taken_once_and_only_by_its_name(events, http_client, page_server):
    answer = http_client.post("page/upload", params={"name": "x.png"}, content=encoded(pixels(91)))
    token = answer.json()["token"]
    assert re.fullmatch("[0-9a-f]{32}", token)
    [waiting] = page_server.private_files()
    assert stat.S_IMODE(waiting.stat().st_mode) == 0o600
    [private] = {path for path in page_server.temporary.iterdir() if path.is_dir()}
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert http_client.get(f"page/upload/{token}").status_code == 405
    _, said = events("one", event_data={"tokens": [token]})
    assert "data-sha256" in said
    assert page_server.private_files() == []
    _, said = events("one", event_data={"tokens": [token]})
    assert "were deleted" in said


def test_a_file_that_is_not_wanted_any_more_is_deleted(http_client, page_server):
    token = http_client.post("page/upload", content=encoded(pixels(92))).json()["token"]
    assert len(page_server.private_files()) == 1
    for name in (token, token, "..%2f..%2fetc%2fpasswd"):
        assert http_client.delete(f"page/upload/{name}").status_code in (204, 404)
    assert page_server.private_files() == []


def test_a_body_that_breaks_off_is_no_error_of_the_servers(page_server, http_client):
    where = urllib.parse.urlsplit(page_server.address)
    for path, kind in (
        ("page/upload", "image/png"),
        ("api/v1/score", "multipart/form-data; boundary=b"),
    ):
        with socket.create_connection((where.hostname, where.port)) as sender:
            sender.sendall(
                f"POST /{path} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: {kind}\r\n"
                "Content-Length: 9999\r\n\r\n--b".encode()
            )
            assert http_client.get("health").status_code == 200
    page_server.until_nothing_waits()
    assert "Traceback" not in page_server.errors
    assert "a request failed" not in page_server.errors


def test_bytes_are_limited_while_they_arrive(http_client, page_server):
    def endless():
        for _ in range(100):
            yield bytes(100_000)

    declared = http_client.post("page/upload", params={"name": "x.png"}, content=bytes(2_100_000))
    streamed = http_client.post("page/upload", params={"name": "x.png"}, content=endless())
    for answer in (declared, streamed):
        assert answer.status_code == 413
        assert "larger than the 2 MB" in answer.json()["error"]
    assert page_server.private_files() == []
    body = json.dumps({"data": ["x" * 1_100_000], "fn_index": 0, "session_hash": "a"})
    assert http_client.post(JOIN, content=body).status_code == 413
    assert http_client.post(JOIN, content=b"[" * 200_000).status_code == 400


def test_files_that_wait_fill_the_disk_up_to_a_limit(http_client, page_server, events):
    tokens = []
    while len(tokens) < 60:
        answer = http_client.post("page/upload", params={"name": "x.png"}, content=bytes(1_900_000))
        if answer.status_code != 200:
            break
        tokens.append(answer.json()["token"])
    assert (answer.status_code, "busy" in answer.json()["error"]) == (503, True)
    assert 20 <= len(tokens) <= 45  # 20 MB are a batch here, and four batches may wait
    for start in range(0, len(tokens), 10):
        events("one", event_data={"tokens": tokens[start : start + 10]}, session=f"s{start}")
    assert page_server.private_files() == []


def test_pages_of_other_sites_can_neither_send_nor_ask(http_client):
    for headers in (
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example"},
    ):
        sent = http_client.post("page/upload", content=b"x", headers=headers)
        assert sent.status_code in (403, 421)
    assert http_client.get("", headers={"Host": "evil.example"}).status_code == 421


def test_the_page_names_no_other_host_and_forbids_them(http_client):
    answer = http_client.get("")
    hosts = {
        urllib.parse.urlsplit(url).hostname
        for url in re.findall(r"https?://[^\s\"'<>\\]+", answer.text)
    }
    assert hosts <= {"127.0.0.1", "www.w3.org"}
    policy = answer.headers["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert "http" not in policy
    assert "unsafe-inline" not in rules["script-src"]
    assert rules["connect-src"] == rules["font-src"] == "'self'"
    [nonce] = set(re.findall(r"<script nonce=\"([\w-]+)\"", answer.text))
    assert f"'nonce-{nonce}'" in rules["script-src"]
    assert nonce not in http_client.get("").text


def test_nobody_was_asked_and_nothing_was_lost_in_a_traceback(page_server):
    assert page_server.asked_for == []
    assert "Traceback" not in page_server.errors
