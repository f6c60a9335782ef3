"""A page of a small detector, a server and a browser; what is missing is a reason to skip."""

import io
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from npr_jax.export.web import folder, packages
from tests.export.web.pages import LOADED, Visit, make_detector
from tests.patience import PATIENCE

SCREENSHOTS = pathlib.Path("build/screenshots/web")


@pytest.fixture(scope="session")
def npm_packages():
    """Skips unless the packages of the page are at hand or can be fetched; reads them once."""
    read = {}
    try:
        for package in packages.PACKAGES:
            read[package.name] = packages.read_package(package, "")
    except ValueError as error:
        pytest.skip(f"the page's packages cannot be fetched: {error}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder, "read_package", lambda package, _: read[package.name])
        yield read


@pytest.fixture(scope="session")
def detector():
    return make_detector()


@pytest.fixture(scope="session")
def site(npm_packages, detector, tmp_path_factory):
    target = tmp_path_factory.mktemp("web") / "site"
    folder.write_page(detector, target)
    return target


@pytest.fixture(scope="session")
def attentive(npm_packages, tmp_path_factory):
    """The detector and the page of multi-scale attention."""
    made = make_detector("multiscale_attention")
    target = tmp_path_factory.mktemp("web") / "attentive"
    folder.write_page(made, target)
    return made, target


@pytest.fixture(scope="session")
def serve():
    """Starts `python -m http.server` for a folder; returns its address."""
    servers = {}

    def start(root):
        if root not in servers:
            command = [sys.executable, "-u", "-m", "http.server", "0", "--bind=127.0.0.1"]
            servers[root] = subprocess.Popen(
                [*command, f"--directory={root}"],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        server = servers[root]
        if not hasattr(server, "address"):
            port = re.search(r"port (\d+)", server.stdout.readline()).group(1)
            server.address = f"http://127.0.0.1:{port}/"
        return server.address

    yield start
    for server in servers.values():
        server.terminate()
        server.wait()
        server.stdout.close()


@pytest.fixture
def visit(browser, serve):
    """Opens a page's folder; nothing may be asked of another host, or go wrong in its scripts."""
    contexts, troubles = [], []

    def open_page(root, **options) -> Visit:
        context = browser.new_context(**options)
        context.set_default_timeout(PATIENCE * 1000)
        contexts.append(context)
        address = serve(root)

        def check(request):
            if not request.url.startswith((address, f"blob:{address}", "data:")):
                troubles.append(f"asked for {request.url}")
            elif request.method != "GET":
                troubles.append(f"{request.method} {request.url}")

        tab = context.new_page()
        context.on("request", check)
        tab.on("console", lambda message: troubles.append(message.text))
        tab.on("pageerror", lambda error: troubles.append(str(error)))
        tab.goto(address)
        opened = Visit(tab, address)
        opened.wait_until(LOADED)
        return opened

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.fixture
def save(tmp_path):
    """Writes uint8 pixels or bytes as a file."""

    def write(name, content):
        path = tmp_path / name
        if isinstance(content, np.ndarray):
            buffer = io.BytesIO()
            kind = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[name.rpartition(".")[2]]
            Image.fromarray(content).save(buffer, kind)
            content = buffer.getvalue()
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def screenshot(root):
    """Keeps a picture of a tab, to be looked at."""

    def take(tab, name):
        (root / SCREENSHOTS).mkdir(parents=True, exist_ok=True)
        return tab.screenshot(path=root / SCREENSHOTS / f"{name}.png", full_page=True)

    return take
