"""Whose signatures under Content Credentials count: the bundled list, or a file."""

import hashlib
import os
import pathlib
import ssl
import tomllib
from importlib import resources
from typing import NamedTuple

from input_pipeline.errors import UserError

_FOLDER = "trust_list"
_MAX_BYTES = 10_000_000


class TrustList(NamedTuple):
    """Certificates (PEM) to which those of signers lead."""

    name: str  # in words, with its date
    signers: str  # of claims
    time_stamps: str  # of authorities that stamp the time

    @property
    def sha256(self) -> str:
        """Of all certificates, hexadecimal."""
        return hashlib.sha256(f"{self.signers}\0{self.time_stamps}".encode()).hexdigest()


def official_trust_list() -> TrustList:
    """C2PA's own lists as of their date; who signed before these began, in 2025, is on neither."""
    folder = resources.files(__package__) / _FOLDER
    date = tomllib.loads((folder / "source.toml").read_text("utf-8"))["date"]
    return TrustList(
        name=f"C2PA’s trust list of {date}",
        signers=(folder / "signers.pem").read_text("utf-8"),
        time_stamps=(folder / "time_stamps.pem").read_text("utf-8"),
    )


def read_trust_list(path: str | os.PathLike[str]) -> TrustList:
    """The official list with a file's certificates of signers in place of its own.

    Raises:
      UserError: the file cannot be read, or has no certificate (PEM).
    """
    try:
        with open(path, "rb") as file:
            text = file.read(_MAX_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UserError(f"trust list {os.fspath(path)!r} cannot be read: {reason}") from error
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        raise UserError(
            f"trust list {os.fspath(path)!r} has no certificate, or a damaged one; give a file of "
            "PEM certificates, each between BEGIN CERTIFICATE and END CERTIFICATE"
        ) from error
    return official_trust_list()._replace(name=f"the list {pathlib.Path(path).name}", signers=text)
