"""A server on a tiny trained detector, asked without a network."""

import io

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import npr_jax
from npr_jax.serving.limits import Limits
from npr_jax.serving.server import build_app
from npr_jax.serving.service import Service
from tests import runs

HOME = "http://127.0.0.1:7860"


@pytest.fixture(scope="session")
def detector(trained):
    return npr_jax.Detector.load(trained.workdir)


@pytest.fixture
def make_client(detector):
    """Makes a client of a server with other limits, or another detector."""
    services = []

    def make(other=None, *, host="127.0.0.1", allowed=(), **limits):
        # By default a minute: a busy machine compiles for longer.
        service = Service(other or detector, Limits(**{"seconds": 600} | limits))
        services.append(service)
        app = build_app(service, host=host, allowed=allowed)
        client = TestClient(app, base_url=HOME, raise_server_exceptions=False)
        client.service = service
        return client

    yield make
    for service in services:
        service.close()


@pytest.fixture
def client(make_client):
    return make_client()


@pytest.fixture
def encoded():
    """Encodes pixels as a file."""

    def encode(image, kind="PNG", **settings):
        image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
        buffer = io.BytesIO()
        image.save(buffer, kind, **settings)
        return buffer.getvalue()

    return encode


@pytest.fixture
def ask():
    """POSTs files to /api/v1/score."""

    def post(client, *files, query="", **options):
        sent = [("files", file) for file in files]
        return client.post(f"/api/v1/score{query}", files=sent, **options)

    return post


@pytest.fixture
def good(encoded):
    return encoded(runs.picture(0, True))
