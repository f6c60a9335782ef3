"""The server as a user starts it, and a browser that may talk to nobody else."""

import pathlib
import urllib.parse

import pytest

import npr_jax
from tests.patience import PATIENCE
from tests.serving.page.running import RunningServer, Tab


@pytest.fixture(scope="session")
def page_server(trained, tmp_path_factory):
    server = RunningServer(
        tmp_path_factory.mktemp("serve"),
        f"--workdir={trained.workdir}",
        "--max_megabytes=2",
        "--max_megapixels=3",
        "--max_zip_megabytes=20",
        "--max_files=150",
        "--max_waiting=4",
        "--max_seconds=600",  # a busy machine takes its time
    )
    yield server
    assert server.stop() == 0
    assert list(server.temporary.iterdir()) == []  # it takes its private folder along


@pytest.fixture
def visit(browser):
    """Opens the page of a server; only that server may be asked, and nothing may go wrong."""
    contexts, troubles = [], []

    def open_page(server, address="", **options):
        context = browser.new_context(**options)
        context.set_default_timeout(PATIENCE * 1000)
        contexts.append(context)
        host = urllib.parse.urlsplit(address or server.address).netloc

        def only_the_server(route):
            address = urllib.parse.urlsplit(route.request.url)
            if address.scheme in ("http", "https", "ws", "wss") and address.netloc != host:
                troubles.append(f"asked for {route.request.url}")
                return route.abort()
            return route.continue_()

        context.route("**/*", only_the_server)
        page = context.new_page()
        page.on("console", lambda m: troubles.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: troubles.append("a dialog"))
        page.goto(address or server.address)
        tab = Tab(page, troubles)
        tab.until("document.querySelector('#one-zone input')")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.fixture(scope="session")
def scores_of(trained):
    """What the detector says of files, by path."""
    detector = npr_jax.Detector.load(trained.workdir)

    def score(*paths: pathlib.Path):
        return detector.score(paths)

    return score
