"""The API's routes: POST /api/v1/score and GET /health."""

import asyncio
import base64
import io
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, TypeVar

import numpy as np
from fastapi import APIRouter, Query
from PIL import Image
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from npr_jax.serving import sentences
from npr_jax.serving.assessment import Assessment
from npr_jax.serving.evidence import Evidence
from npr_jax.serving.limits import CONTENT_TOO_LARGE, MEGA, UNUSABLE, Busy, Limits, Refused
from npr_jax.serving.schema import (
    ErrorAnswer,
    EvidenceAnswer,
    HealthAnswer,
    LeftOutAnswer,
    ResultAnswer,
    ScoreAnswer,
)
from npr_jax.serving.service import Asked, Service
from npr_jax.serving.uploads import LeftOut, Upload, base_name, expand, is_zip

FIELD = "files"
_MAX_DETAILED = 10  # files of one request with deliveries or evidence: each takes seconds
_ERRORS: dict[int | str, dict[str, Any]] = {
    403: {"model": ErrorAnswer, "description": "asked by a page of another site"},
    408: {"model": ErrorAnswer, "description": "the request came too slowly"},
    413: {"model": ErrorAnswer, "description": "too many bytes, pixels or files"},
    415: {"model": ErrorAnswer, "description": "no picture that can be read (of one file)"},
    421: {"model": ErrorAnswer, "description": "asked under another host name"},
    422: {
        "model": ErrorAnswer,
        "description": "no files, one that cannot be scored, or a wrong query",
    },
    500: {"model": ErrorAnswer, "description": "something unexpected; the log has it"},
    503: {"model": ErrorAnswer, "description": "busy; try again after Retry-After seconds"},
    504: {"model": ErrorAnswer, "description": "took too long (of one file)"},
}
_FILES = {"type": "array", "items": {"type": "string", "format": "binary"}}
_FILES |= {"description": "image files, and zip files of them"}
_SCHEMA = {"type": "object", "required": [FIELD], "properties": {FIELD: _FILES}}
_BODY = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _SCHEMA}}}}
T = TypeVar("T")


def routes(service: Service) -> APIRouter:
    """The routes of a service."""
    router = APIRouter()

    @router.get("/health", summary="Whether the server answers, and who it is")
    async def health() -> HealthAnswer:
        return HealthAnswer(
            **service.identity,
            status="busy" if service.is_full else "ok",
            inside=service.inside,
            max_waiting=service.limits.waiting,
        )

    @router.post(
        "/api/v1/score",
        summary="Scores one or several pictures",
        response_model=ScoreAnswer,
        responses=_ERRORS,
        openapi_extra=_BODY,
    )
    async def score(
        request: Request,
        delivery: Annotated[
            bool, Query(description="also score the pictures as they arrive when sent on")
        ] = False,
        evidence: Annotated[
            bool, Query(description="also give residuals, heat map and overlay")
        ] = False,
    ) -> Response:
        if service.is_full:
            raise Busy  # before the body is read
        limits = service.limits
        try:
            async with request.form(max_files=limits.max_files, max_fields=20) as form:
                files = form.getlist(FIELD)
                uploads = [file for file in files if isinstance(file, UploadFile)]
                if not uploads or len(uploads) < len(files):
                    missing = f"The request has no file in the field {FIELD!r}"
                    raise Refused(f"{missing}; send multipart/form-data.", UNUSABLE)
                content = await _unless_gone(
                    request,
                    lambda cancelled: _answer(service, uploads, delivery, evidence, cancelled),
                )
        except HTTPException as error:
            if "Too many files" in str(error.detail):
                most = f"the {limits.max_files} files that one request may have"
                raise Refused(f"These are more than {most}.", CONTENT_TOO_LARGE) from error
            raise Refused(f"The request is no valid form: {error.detail}", UNUSABLE) from error
        return Response(content, media_type="application/json")

    return router


async def _unless_gone(request: Request, work: Callable[[Asked], T]) -> T:
    """Runs work in a thread; it is cancelled when the client goes away."""
    gone = threading.Event()

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone.set()

    watching = asyncio.create_task(watch())
    try:
        return await run_in_threadpool(work, gone.is_set)
    finally:
        watching.cancel()


def _answer(
    service: Service, uploads: list[UploadFile], delivery: bool, evidence: bool, cancelled: Asked
) -> bytes:
    """The answer as JSON, made in this thread: encoding pictures would hold up all others.

    One file's error is the request's; of several each has its own.
    """
    found: Iterable[Assessment]
    contents = _contents(uploads, service.limits)
    left_out: list[LeftOut] = []
    files = expand(contents, service.limits, left_out)
    asked: dict[str, Any] = {"delivery": delivery, "evidence": evidence, "cancelled": cancelled}
    if len(uploads) == 1 and not _holds_zip(uploads[0]):
        # Does not wait for requests of many files.
        [(name, data)] = contents
        found = [service.assess(name, data, **asked)]
    elif delivery or evidence:
        found = service.assess_many(_few(files), **asked)
    else:
        found = service.score_many(files, cancelled)
    results = [_result(one) for one in found]
    if len(results) == 1 and results[0].error:
        raise Refused(results[0].error, results[0].status)
    answer = ScoreAnswer(
        **service.identity,
        results=results,
        left_out=[LeftOutAnswer(name=name, kind=kind) for kind, name in left_out],
        caveats=list(sentences.CAVEATS),
    )
    return answer.model_dump_json().encode()


def _few(files: Iterator[Upload]) -> Iterator[Upload]:
    """The files, as long as they are not too many to look at closely."""
    for number, file in enumerate(files):
        if number == _MAX_DETAILED:
            most = f"at most {_MAX_DETAILED} files in one request"
            raise Refused(f"delivery and evidence are given for {most}.", CONTENT_TOO_LARGE)
        yield file


def _contents(uploads: list[UploadFile], limits: Limits) -> Iterator[tuple[str, bytes]]:
    """Files from where the form put them, one at a time."""
    for upload in uploads:
        if not _holds_zip(upload) and (upload.size or 0) > limits.max_bytes:
            # One byte more than allowed is enough for the refusal, with the right size in it.
            raise Refused(
                f"{upload.filename} has {(upload.size or 0) / MEGA:.1f} MB; at most "
                f"{limits.max_bytes / MEGA:g} MB are taken here.",
                CONTENT_TOO_LARGE,
            )
        yield base_name(upload.filename or ""), upload.file.read()


def _holds_zip(upload: UploadFile) -> bool:
    head = upload.file.read(4)
    upload.file.seek(0)
    return is_zip(head)


def _result(found: Assessment) -> ResultAnswer:
    """An examination as the API gives it."""
    result = found.result
    weights = dict(zip(found.scales, result.weights, strict=True)) if result.weights else None
    return ResultAnswer(
        name=found.name,
        sha256=found.sha256,
        score=result.score,
        logit=result.logit,
        detector_verdict=result.verdict,
        verdict=found.verdict,
        reason=found.reason,
        error=result.error,
        status=found.status,
        weights=weights,
        facts=found.facts,
        delivery=list(found.delivery),
        delivery_note=found.delivery_note,
        evidence=_evidence(found.evidence) if found.evidence else None,
        seconds=found.seconds,
    )


def _evidence(found: Evidence) -> EvidenceAnswer:
    where = found.heat_map
    return EvidenceAnswer(
        step=found.step,
        residuals={name: _png(pixels) for name, pixels in found.residuals},
        overlay="" if found.overlay is None else _png(found.overlay),
        heat_map=None if where is None else np.round(where.values.astype(float), 6).tolist(),
        heat_map_unit="" if where is None else where.unit,
        heat_map_problem=found.problem,
    )


def _png(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    # Level 1: base64 of pictures is large anyway, and compressing harder takes seconds.
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
