"""The HTTP server: the API's routes behind the guards, and uvicorn around them."""

import contextlib
import errno
import logging
import os
import pathlib
import reprlib
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping

import uvicorn
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from input_pipeline.errors import UserError
from input_pipeline.provenance.trust_lists import TrustList
from npr_jax.inference.detector import Detector
from npr_jax.serving import api
from npr_jax.serving.guards import (
    HEADERS,
    BoundedBodies,
    error_response,
    only_our_own,
    security_headers,
)
from npr_jax.serving.limits import CLIENT_GONE, SERVER_ERROR, UNUSABLE, Limits, Refused
from npr_jax.serving.service import Service, warm_up

_LOG = logging.getLogger(__name__)
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SECONDS_TO_FINISH = 5
# That a connection stays open between requests: well beyond the seconds after which a busy server
# says to come back, lest it closes just when the next request comes.
_SECONDS_KEPT = 30
_PREFIX = "npr-jax-serve-"
_OF_THE_PORT = (errno.EADDRINUSE, errno.EACCES)  # taken, or for administrators only
_OTHER_PORT = "give another --port, or --port=0 for any that is free"
_OTHER_HOST = (
    "give as --host a name or an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all "
    "of its addresses"
)


def build_app(
    service: Service, *, host: str = "127.0.0.1", allowed: Collection[str] = ()
) -> FastAPI:
    """The API's routes, guarded, of a server bound to `host`; a page can be mounted at the root.

    `allowed` are further names that it answers for, see `guards.only_our_own`.
    """
    app = FastAPI(
        title="npr-jax",
        version=service.identity["version"],
        description="Whether pictures were made by a generator, as the detector "
        f"{service.identity['source']} sees it; see docs/serve.md.",
        openapi_url="/api/v1/openapi.json",
        # FastAPI's pages of documentation load scripts from other hosts.
        docs_url=None,
        redoc_url=None,
    )
    app.include_router(api.routes(service))
    _answer_errors(app, service.identity)
    # The last one added is the first that sees a request.
    limits = service.limits
    app.add_middleware(BoundedBodies, max_body=limits.max_body, identity=service.identity)
    app.add_middleware(only_our_own, host=host, allowed=allowed, identity=service.identity)
    app.add_middleware(security_headers)
    return app


def _answer_errors(app: FastAPI, identity: Mapping[str, str]) -> None:
    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        return error_response(identity, error.status, str(error), error.retry_after)

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: ClientDisconnect) -> Response:
        return error_response(identity, CLIENT_GONE, "The request broke off.")

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        return error_response(identity, error.status_code, str(error.detail))

    @app.exception_handler(RequestValidationError)
    async def wrong_query(request: Request, error: RequestValidationError) -> Response:
        # Every parameter of a query is a switch. A value is shown shortened: it may be long.
        given = " and ".join(
            f"{part['loc'][-1]}={reprlib.repr(part['input'])}" for part in error.errors()
        )
        return error_response(
            identity, UNUSABLE, f"The request's query has {given}; expected true or false."
        )

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        _LOG.error("a request failed", exc_info=error)
        response = error_response(
            identity,
            SERVER_ERROR,
            "Something went wrong here. Other requests are not affected; the server's log has the "
            "details.",
        )
        response.headers.update(HEADERS)  # this answer is given outside of the guards
        return response


def serve(
    detector: Detector,
    *,
    host: str,
    port: int,
    limits: Limits,
    trust_list: TrustList | None = None,
    allowed: Collection[str] = (),
) -> None:
    """Answers on ``http://host:port`` until it is interrupted or terminated.

    `port` is 0 for any that is free, `trust_list` as of `Service`, `allowed` as of `build_app`.

    Raises:
        ValueError: the address cannot be listened on.
    """
    # One way out, whether something is computed, compiled or waited for.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with _listen(host, port) as listening, private_folder():
            from npr_jax.serving.page.mount import mount

            service = Service(detector, limits, trust_list)
            try:
                warm_up(service)
                app = build_app(service, host=host, allowed=allowed)
                _run(mount(app, service), listening, host)
            finally:
                service.close()
    except KeyboardInterrupt:
        pass  # uvicorn hands the signal on after it has ended well
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def private_folder() -> Iterator[pathlib.Path]:
    """Makes the folder the process's place for temporary files, and removes it at the end.

    Folders of servers that were killed are removed first.
    """
    _remove_abandoned()
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))  # mode 700
    before = tempfile.tempdir
    variables = {name: os.environ.get(name) for name in ("TMPDIR", "GRADIO_TEMP_DIR")}
    tempfile.tempdir = str(folder)
    os.environ |= dict.fromkeys(variables, str(folder))
    try:
        yield folder
    finally:
        tempfile.tempdir = before
        for name, value in variables.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned() -> None:
    for folder in pathlib.Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        number = folder.name.removeprefix(_PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            own = folder.lstat().st_uid == os.getuid() and not folder.is_symlink()
            if own and number.isdecimal():
                try:
                    os.kill(int(number), 0)
                except ProcessLookupError:
                    shutil.rmtree(folder, ignore_errors=True)


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise UserError(f"--port={port}; expected 0 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        remedy = _OTHER_PORT if error.errno in _OF_THE_PORT else _OTHER_HOST
        raise UserError(
            f"cannot listen on --host={host} --port={port}: {error.strerror or error}; {remedy}"
        ) from error
    return listening


def _run(app: FastAPI, listening: socket.socket, host: str) -> None:
    if host not in LOOPBACK:
        print(
            f"warning: --host={host}: anyone who can reach this machine can use this server",
            file=sys.stderr,
            flush=True,
        )
    port = listening.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=_SECONDS_KEPT,
        timeout_graceful_shutdown=_SECONDS_TO_FINISH,
    )
    _Announcing(config, f"ready: http://{shown}:{port}/").run(sockets=[listening])


class _Announcing(uvicorn.Server):
    """Says where it answers, once it does."""

    def __init__(self, config: uvicorn.Config, line: str) -> None:
        super().__init__(config)
        self._line = line

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await super().startup(sockets)
        if self.started:
            print(self._line, flush=True)
