"""Content Credentials (C2PA): who signed what about a picture, and whether that can be relied on.

The package c2pa-python verifies (extra ``provenance``). Nothing is fetched: neither manifests that
lie elsewhere nor whether a certificate was withdrawn since. What credentials say can be true of
another picture, too, or removed with all other metadata: they never change a score.
"""

import importlib.util
import io
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from input_pipeline.images.kinds import AVIF, HEIF, JPEG_XL, isolated_kind
from input_pipeline.provenance.containers import JPEG, PNG
from input_pipeline.provenance.manifest import COMPONENT
from input_pipeline.provenance.manifest_store import Action, each_once, line, maps, read_story, term
from input_pipeline.provenance.statements import Statement
from input_pipeline.provenance.trust_lists import TrustList

TRUSTED, UNLISTED = "valid and trusted", "valid, signer on no list"
CHANGED = "changed since signing"
UNVERIFIABLE, UNREADABLE, NOT_VERIFIED = "not verifiable", "unreadable", "not verified"
STATES = (TRUSTED, UNLISTED, CHANGED, UNVERIFIABLE, UNREADABLE, NOT_VERIFIED)

_NEEDS_EXTRA = "this needs the extra: pip install 'npr-jax[provenance]'"
# The only failures that say that the picture is not the one that was signed. Others say something
# of the certificate, the time or the statements: C2PA Technical Specification, validation codes.
_CHANGES = frozenset(
    f"assertion.{binding}Hash.mismatch" for binding in ("data", "bmff", "boxes", "collection")
)
_UNLISTED = "signingCredential.untrusted"
_REASONS = {
    "signingCredential.expired": "the signer’s certificate has expired and no trusted time stamp "
    "says that it had not when it signed",
    "claimSignature.outsideValidity": "it was signed outside the time for which the signer’s "
    "certificate holds",
    "signingCredential.invalid": "the signer’s certificate is not meant for this use by today’s "
    "rules",
    "signingCredential.ocsp.revoked": "the signer’s certificate was withdrawn",
    "claimSignature.mismatch": "the signature is not of these statements",
    "claimSignature.missing": "the signature is missing",
    "assertion.hashedURI.mismatch": "a statement is not the one that was signed",
    "assertion.missing": "a statement that was signed is missing",
    "assertion.action.malformed": "the list of what was done is not as the specification wants it",
    "claim.hardBindings.missing": "nothing binds the statements to this picture",
    "algorithm.unsupported": "its algorithm is not known here",
}
# What certificates of signers are for, by C2PA's rules: signing claims, e-mail, documents.
_USES = ("1.3.6.1.4.1.62558.2.1", "1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.36")
_ISOLATED = {AVIF: "image/avif", HEIF: "image/heic", JPEG_XL: "image/jxl"}
_MEDIA_TYPES = (
    (JPEG, "image/jpeg"),
    (PNG, "image/png"),
    (b"RIFF", "image/webp"),
    (b"GIF8", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
)
_NATIVE = (".so", ".dylib", ".dll")


class Credentials(NamedTuple):
    """What the credentials of a file say. Of a state but the first two, nothing is vouched for."""

    state: str  # of `STATES`
    reason: str = ""  # why not verifiable, unreadable or not verified
    signer: str = ""  # name on the certificate
    organization: str = ""
    signed_at: str = ""  # ISO 8601, of a time stamp; empty without one
    programs: tuple[str, ...] = ()  # claim generators: that of the picture, those it was made from
    actions: tuple[Action, ...] = ()  # of all of these
    source_types: tuple[str, ...] = ()  # IPTC's terms, of all of these

    def in_words(self) -> str:
        """State and reason."""
        return state_in_words(self.state, self.reason)


def state_in_words(state: str, reason: str) -> str:
    """Both, as tables have them."""
    return f"{state}: {reason}" if reason else state


def can_verify() -> bool:
    """Whether the extra is installed."""
    return _native_library() is not None


def _native_library() -> pathlib.Path | None:
    found = importlib.util.find_spec("c2pa")
    if found is None or found.origin is None:
        return None
    folder = pathlib.Path(found.origin).parent / "libs"
    return next((path for path in folder.glob("*c2pa_c*") if path.suffix in _NATIVE), None)


def _library() -> Any:
    """The package; left alone it would look for its native part in the working directory first,
    where pictures of strangers may lie.
    """
    name, before = "C2PA_LIBRARY_NAME", os.environ.get("C2PA_LIBRARY_NAME")
    os.environ[name] = before or str(_native_library())
    try:
        import c2pa
    finally:
        if before is None:
            os.environ.pop(name, None)  # another thread may have been here as well
    return c2pa


def read_credentials(
    data: bytes, trust_list: TrustList, said: tuple[Statement, ...] = ()
) -> Credentials:
    """Verifies the credentials of a file that has some; damaged ones are `UNREADABLE`.

    Args:
      data: the file.
      trust_list: whose signatures count.
      said: what the file says; programs and sources are taken from it without the extra.
    """
    if not can_verify():
        return _unverified(said)
    c2pa = _library()
    try:
        context = c2pa.Context.from_dict(_settings(trust_list))
        reader = c2pa.Reader.try_create(_media_type(data), io.BytesIO(data), context=context)
        if reader is None:
            return Credentials(UNREADABLE, "no manifest is where it should be")
        with reader:
            store = json.loads(reader.json())
    except (c2pa.C2paError, ValueError) as error:
        return Credentials(UNREADABLE, line(str(error)))
    return _credentials(store)


def _settings(trust_list: TrustList) -> dict[str, Any]:
    lists = (("manifest", trust_list.signers), ("tsa", trust_list.time_stamps))
    anchors = [
        {"trust_anchors": pem, "trust_uri": kind, "trust_kind": kind} for kind, pem in lists if pem
    ]
    return {
        "version": 1,
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
        "core": {"allowed_network_hosts": []},
        "trust": {"anchors": anchors, "trust_config": "\n".join(_USES)},
    }


def _media_type(data: bytes) -> str:
    if kind := isolated_kind(data):
        return _ISOLATED[kind]
    return next((kind for start, kind in _MEDIA_TYPES if data.startswith(start)), "")


def _unverified(said: tuple[Statement, ...]) -> Credentials:
    def texts(field: str) -> tuple[str, ...]:
        fields = (f"C2PA {field}", f"C2PA {COMPONENT}{field}")
        return each_once(line(text) for name, text in said if name.startswith(fields))

    terms = each_once(map(term, texts("digitalSourceType")))
    return Credentials(
        NOT_VERIFIED,
        _NEEDS_EXTRA,
        programs=texts("claim_generator"),
        source_types=terms,
    )


def _credentials(store: Mapping[str, Any]) -> Credentials:
    state, reason = _state(store)
    own = (store.get("manifests") or {}).get(store.get("active_manifest")) or {}
    signature = own.get("signature_info") or {}
    return Credentials(
        state,
        reason,
        signer=line(signature.get("common_name")),
        organization=line(signature.get("issuer")),
        signed_at=line(signature.get("time")),
        **read_story(store)._asdict(),
    )


def _state(store: Mapping[str, Any]) -> tuple[str, str]:
    """State and reason, of the picture itself: what it was made from may have failed before."""
    results = store.get("validation_results") or {}
    failures = maps((results.get("activeManifest") or {}).get("failure"))
    codes = [failure["code"] for failure in failures]
    if _CHANGES.intersection(codes):
        return CHANGED, ""
    validity = store.get("validation_state")
    if validity == "Trusted":
        return TRUSTED, ""
    if validity == "Valid":
        return UNLISTED, ""
    reasons = each_once(_REASONS.get(code, code) for code in codes if code != _UNLISTED)
    return UNVERIFIABLE, "; ".join(reasons) or "what it was made from does not verify"
