"""Content Credentials of files that the tests sign: their state, and what they say."""

import datetime
import importlib.util
import io
import os
import shutil
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from input_pipeline.provenance.containers import take_apart
from input_pipeline.provenance.credentials import (
    CHANGED,
    STATES,
    TRUSTED,
    UNLISTED,
    UNREADABLE,
    UNVERIFIABLE,
    read_credentials,
)
from input_pipeline.provenance.manifest import find_manifest
from input_pipeline.provenance.manifest_store import Action
from input_pipeline.provenance.report import read_provenance
from input_pipeline.provenance.trust_lists import TrustList, official_trust_list, read_trust_list
from tests.input_pipeline.provenance.files import PICTURE, saved
from tests.input_pipeline.provenance.signing import BINGS_USE, EMAIL, Signer, c2pa

AI = "trainedAlgorithmicMedia"


@pytest.fixture(scope="module")
def signer():
    return Signer()


@pytest.fixture(scope="module")
def trusted(signer):
    return TrustList("a test's", signer.root, "")


@pytest.fixture(scope="module")
def signed(signer):
    return signer.sign(saved("JPEG"), "image/jpeg")


def heic():
    pillow_heif = pytest.importorskip("pillow_heif", reason="needs the extra formats")
    file = io.BytesIO()
    pillow_heif.from_pillow(PICTURE).save(file, quality=90)
    return file.getvalue()


KINDS = ("JPEG", "PNG", "WEBP", "AVIF", "HEIC", "TIFF", "GIF")


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_is_verified_and_a_change_of_its_pixels_seen(kind, signer, trusted):
    plain = heic() if kind == "HEIC" else saved(kind)
    data = signer.sign(plain, f"image/{kind.lower()}")
    assert read_provenance(data).has_credentials
    assert not read_provenance(plain).has_credentials
    found = read_credentials(data, trusted)
    assert (found.state, found.reason) == (TRUSTED, "")
    assert (found.signer, found.organization) == ("Test Signer", "Test Press")
    assert found.programs == ("Test Camera 1.0",)
    assert found.source_types == ("digitalCapture",)
    # The last bytes of the pixels as they were, wherever signing has put them.
    place = data.index(plain[-60:-50] if kind != "TIFF" else PICTURE.tobytes()[-60:-50]) + 5
    changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    assert read_credentials(changed, trusted).state == CHANGED


def test_a_signer_on_no_list_is_not_trusted(signed):
    assert read_credentials(signed, official_trust_list()).state == UNLISTED


@pytest.mark.parametrize("use", [EMAIL])
def test_other_uses_that_the_rules_allow(use):
    other = Signer(use)
    data = other.sign(saved("PNG"), "image/png")
    assert read_credentials(data, TrustList("", other.root, "")).state == TRUSTED


def test_certificates_that_do_not_count_are_no_change():
    """Bing's files of 2023 have every hash right, and a certificate that today's rules refuse."""
    other = Signer(BINGS_USE)
    data = other.sign(saved("JPEG"), "image/jpeg")
    found = read_credentials(data, TrustList("", other.root, ""))
    assert found.state == UNVERIFIABLE
    assert "not meant for this use" in found.in_words()


def test_bings_files_of_2023(shared):
    for path in sorted((shared / "realworld/dev/bing_dalle3_jpg_2023_10_12/1_fake").iterdir()):
        found = read_credentials(path.read_bytes(), official_trust_list())
        assert found.state == UNVERIFIABLE
        assert found.signed_at.startswith("2023-")
        assert found.actions == (Action("c2pa.created", "Bing Image Creator", ""),)


def signed_by_one_that_ends_soon():
    """A signer and a file; signing may take longer than the certificate holds."""
    seconds = 3
    while True:
        other = Signer(seconds=seconds)
        try:
            return other, other.sign(saved("JPEG"), "image/jpeg")
        except c2pa.C2paError:
            if datetime.datetime.now(datetime.UTC) <= other.ends:
                raise
            seconds *= 4


def test_an_expired_certificate_is_no_change():
    other, data = signed_by_one_that_ends_soon()
    while datetime.datetime.now(datetime.UTC) <= other.ends + datetime.timedelta(seconds=1):
        time.sleep(0.2)
    found = read_credentials(data, TrustList("", other.root, ""))
    assert found.state == UNVERIFIABLE
    assert "has expired" in found.reason
    place = data.index(saved("JPEG")[-60:-50])
    changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    assert read_credentials(changed, TrustList("", other.root, "")).state == CHANGED


@pytest.mark.parametrize(
    ("words", "reason"),
    [(b"Test Camera", "not of these statements"), (b"c2pa.created", "not the one that was signed")],
)
def test_statements_that_were_rewritten_are_no_change_of_the_picture(
    words, reason, signed, trusted
):
    found = read_credentials(signed.replace(words, words[:-1] + b"X"), trusted)
    assert found.state == UNVERIFIABLE
    assert reason in found.reason


def test_damaged_files_never_raise(signed, trusted):
    assert read_credentials(signed[: len(signed) // 3], trusted).state == UNREADABLE
    rng, start = np.random.default_rng(0), signed.index(b"jumdc2pa")
    for _ in range(60):
        broken = bytearray(signed)
        for place in rng.integers(start - 40, start + 3000, 4):
            broken[place] = rng.integers(256)
        assert read_credentials(bytes(broken), trusted).state in STATES


def test_the_whole_chain_is_told(signer, trusted):
    made = ("c2pa.created", AI, "Test Generator 3")
    generated = signer.sign(saved("JPEG"), "image/jpeg", made, program="Test Studio")
    edited = ("c2pa.edited", "compositeWithTrainedAlgorithmicMedia", "")
    data = signer.sign(
        saved("JPEG"), "image/jpeg", edited, program="Test Editor", made_from=generated
    )
    found = read_credentials(data, trusted)
    assert found.state == TRUSTED
    assert found.programs == ("Test Editor 1.0", "Test Studio 1.0")
    assert set(found.source_types) == {AI, "compositeWithTrainedAlgorithmicMedia"}
    assert Action("c2pa.created", "Test Generator 3", AI) in found.actions
    assert [action.action for action in found.actions].count("c2pa.edited") == 1
    assert read_provenance(data).source == "generated", "whether or not it can be verified"


def test_what_was_made_from_a_changed_picture_is_not_itself_changed(signer, trusted):
    original = signer.sign(saved("JPEG"), "image/jpeg")
    place = original.index(saved("JPEG")[-60:-50])
    changed = original[:place] + bytes([original[place] ^ 1]) + original[place + 1 :]
    data = signer.sign(saved("JPEG"), "image/jpeg", made_from=changed)
    assert read_credentials(data, trusted).state == TRUSTED


def test_nothing_is_fetched():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.3)
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        asks = Signer(ocsp=address)
        trusted = TrustList("", asks.root, "")
        data = asks.sign(saved("JPEG"), "image/jpeg")
        assert read_credentials(data, trusted).state == TRUSTED
        lies = asks.sign(saved("JPEG"), "image/jpeg", elsewhere=f"{address}/manifest")
        assert f"{address}/manifest".encode() in lies
        assert not find_manifest(lies, take_apart(lies))
        assert read_credentials(lies, trusted).state == UNREADABLE
        with pytest.raises(TimeoutError):
            server.accept()


def test_no_library_is_loaded_from_the_folder_that_is_looked_at(signed, tmp_path, root):
    """c2pa-python by itself tries the working directory first."""
    (tmp_path / "a.jpg").write_bytes(signed)
    shutil.copy(importlib.util.find_spec("PIL._imaging").origin, tmp_path / "libc2pa_c.so")
    read = (
        "import pathlib; from input_pipeline.provenance import credentials, trust_lists; "
        "data = pathlib.Path('a.jpg').read_bytes(); "
        "print(credentials.read_credentials(data, trust_lists.official_trust_list()).state)"
    )
    environment = os.environ | {"PYTHONPATH": str(root)}
    command = [sys.executable, "-c", read]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == UNLISTED, done.stderr


def test_a_file_replaces_the_list_of_signers(signed, signer, tmp_path):
    path = tmp_path / "press.pem"
    path.write_text(f"Signers of the press\n{signer.root}", encoding="utf-8")
    trusted = read_trust_list(path)
    assert "press.pem" in trusted.name
    assert read_credentials(signed, trusted).state == TRUSTED
    path.write_text(Signer().root, encoding="utf-8")
    assert read_credentials(signed, read_trust_list(path)).state == UNLISTED
