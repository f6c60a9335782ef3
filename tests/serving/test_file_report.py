"""What a file says of itself, as the API and the page tell it."""

import zlib

import numpy as np
import pytest
from PIL import Image

from input_pipeline.images.invisible_mark import write_mark
from input_pipeline.provenance import credentials
from input_pipeline.provenance.trust_lists import TrustList, official_trust_list
from npr_jax.serving import file_report, sentences
from npr_jax.serving.file_report import report_mark
from tests.input_pipeline.provenance.files import (
    A1111,
    MAKE,
    MODEL,
    SOFTWARE,
    manifest,
    png,
    saved,
    source_type,
    with_chunk,
    xmp,
)


def report_file(data):
    return file_report.report_file(data, official_trust_list())


def exif(**fields):
    data = Image.Exif()
    for tag, value in fields.items():
        data[{"make": MAKE, "model": MODEL, "software": SOFTWARE}[tag]] = value
    return data


def test_a_photograph_of_a_camera():
    report = report_file(
        saved("JPEG", quality=83, subsampling="4:2:0", exif=exif(make="Canon", model="EOS R5"))
    )
    assert (report.format, report.width, report.height) == ("JPEG", 64, 48)
    assert (report.jpeg_quality, report.jpeg_certainty) == (83, "exact")
    assert (report.jpeg_encoder, report.jpeg_setting) == ("libjpeg", "quality 83")
    assert sentences.jpeg_quality(report).startswith("83 of 100")
    assert report.subsampling == "4:2:0"
    assert report.camera == "Canon EOS R5"
    assert report.generator_hints == ()
    assert report.credentials is None


def test_a_file_without_metadata():
    data = saved("PNG")
    report = report_file(data)
    assert (report.format, report.num_bytes, report.jpeg_quality) == ("PNG", len(data), None)
    assert (report.texts, report.generator_hints, report.software) == ((), (), "")


def test_a_file_that_names_a_generator():
    report = report_file(png(parameters=A1111, Software="Fooocus v2"))
    assert (report.source, report.generator) == ("generated", "Fooocus")
    hints = {hint.where: hint for hint in report.generator_hints}
    assert hints["PNG parameters"].text.startswith("Steps: 20") or "Steps: 20" in (
        hints["PNG parameters"].text
    )
    assert hints["PNG Software"].program == "Fooocus"
    assert {hint.proves for hint in report.generator_hints} == {"generated"}
    assert report.texts == ("PNG parameters", "PNG Software")


def test_the_declared_source():
    terms = ("digitalCapture", "compositeWithTrainedAlgorithmicMedia")
    report = report_file(saved("JPEG", xmp=xmp(*map(source_type, terms)).encode()))
    assert report.source == "parts"
    assert report.digital_source_type == "compositeWithTrainedAlgorithmicMedia"


@pytest.mark.parametrize(
    ("source", "generator", "words"),
    [
        ("generated", "Midjourney", "says that Midjourney made this picture"),
        ("generated", "", "says that a generator made this picture"),
        ("parts", "Adobe Firefly", "Adobe Firefly made parts of this picture"),
        ("captured", "", "a camera or a scanner took this picture"),
        ("", "", "does not speak for a photograph"),
    ],
)
def test_the_cards_sentence(source, generator, words):
    said = sentences.says_of_itself(source, generator)
    assert words in said
    assert "not generated" not in said


def test_content_credentials():
    from tests.input_pipeline.provenance.signing import Signer

    signer = Signer()
    made = ("c2pa.created", "trainedAlgorithmicMedia", "Test Generator 3")
    data = signer.sign(saved("JPEG"), "image/jpeg", made, program="Test Studio")
    listed = TrustList("a test’s list", signer.root, "")
    found = file_report.report_file(data, listed).credentials
    assert found.state == "valid and trusted"
    assert found.trust_list == "a test’s list"
    words = sentences.credentials(found)
    assert words.startswith("signed by Test Signer of Test Press, a signer on a test’s list")
    said = sentences.credentials_say(found)
    assert said == (
        "created by Test Generator 3 (trainedAlgorithmicMedia); written by Test Studio 1.0"
    )
    unlisted = report_file(data).credentials
    assert "anyone can sign under any name" in sentences.credentials(unlisted)
    changed = found.model_copy(update={"state": "changed since signing"})
    assert "the picture was changed since" in sentences.credentials(changed)


def test_credentials_that_cannot_be_verified(monkeypatch):
    monkeypatch.setattr(credentials, "can_verify", lambda: False)
    data = with_chunk(saved("PNG"), b"caBX", manifest(("softwareAgent", "Midjourney")))
    found = report_file(data)
    assert (found.source, found.generator) == ("generated", "Midjourney")
    assert found.credentials.state == "not verified"
    words = sentences.credentials(found.credentials)
    assert words.startswith("there, but not verified: ")
    assert sentences.credentials(None) == sentences.credentials_say(None) == ""


def test_the_mark_in_the_pixels():
    plain = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    found = report_mark(write_mark(plain))
    assert found.program == "Stable Diffusion 1"
    assert found.p_value < 1e-20
    assert "Stable Diffusion 1" in sentences.invisible_mark(found)
    none = report_mark(plain)
    assert (none.program, none.p_value) == ("", None)
    assert "means nothing" in sentences.invisible_mark(none)
    assert sentences.invisible_mark(None) == "", "nobody looked"


def test_texts_stay_short():
    hint = report_file(png(parameters=A1111 + "x" * 1_000_000)).generator_hints[0]
    assert len(hint.text) <= 300
    bomb = b"parameters\0\0" + zlib.compress(bytes(50_000_000))
    for hint in report_file(with_chunk(saved("PNG"), b"zTXt", bomb)).generator_hints:
        assert len(hint.text) <= 300
    half = b"parameters\0\0" + zlib.compress(A1111.encode() + bytes(900_000))
    [hint] = report_file(with_chunk(saved("PNG"), b"zTXt", half)).generator_hints
    assert len(hint.text) <= 300


def test_damaged_files_never_raise():
    rng = np.random.default_rng(0)
    originals = [
        png(parameters="a", Software="b"),
        saved(
            "JPEG",
            exif=exif(make="Canon"),
            xmp=xmp(source_type("trainedAlgorithmicMedia")).encode(),
        ),
        saved("WEBP", exif=exif(make="Canon")),
        saved("TIFF"),
        saved("GIF"),
    ]
    read = 0
    for original in originals:
        for _ in range(150):
            broken = bytearray(original)
            for place in rng.integers(0, min(len(broken), 400), 4):
                broken[place] = rng.integers(256)
            read += report_file(bytes(broken[: rng.integers(1, len(broken) + 1)])) is not None
    assert read > 100, "many of them were read all the same"


@pytest.mark.parametrize(
    ("score", "side", "others"),
    [(0.8, "generated pictures", "photographs"), (0.2, "photographs", "generated pictures")],
)
def test_an_unsure_picture_is_told_why_its_score_is_no_verdict(score, side, others):
    said = sentences.reason_for("unsure", score)
    assert said.startswith(f"The pixels look like those of {side} ")
    assert f"too many {others} have such scores" in said
