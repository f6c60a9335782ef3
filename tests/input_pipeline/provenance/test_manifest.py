"""What manifests say that nobody has verified: boxes and CBOR, read as they are written."""

import json
import struct

import pytest

from input_pipeline.provenance import cbor, credentials
from input_pipeline.provenance.manifest import manifest_texts
from input_pipeline.provenance.report import read_provenance
from input_pipeline.provenance.trust_lists import official_trust_list
from tests.input_pipeline.provenance.files import (
    IPTC_TYPES,
    box,
    cbor_text,
    manifest,
    saved,
    superbox,
    with_chunk,
)


def store(*contents):
    return superbox(b"c2pa", b"c2pa", superbox(b"c2ma", b"urn:uuid:1", *contents))


# RFC 8949, appendix A.
@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("00", 0),
        ("1903e8", 1000),
        ("3863", -100),
        ("f5", True),
        ("f97e00", None),
        ("fb3ff199999999999a", None),
        ("c11a514b67b0", 1363896240),
        ("4401020304", b"\x01\x02\x03\x04"),
        ("62c3bc", "ü"),
        ("8301820203820405", [1, [2, 3], [4, 5]]),
        ("a26161016162820203", {"a": 1, "b": [2, 3]}),
        ("5f42010243030405ff", b"\x01\x02\x03\x04\x05"),
        ("7f657374726561646d696e67ff", "streaming"),
        ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
        ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}),
    ],
)
def test_cbor_is_read_as_the_standard_says(written, value):
    assert cbor.decode(bytes.fromhex(written)) == value
    if len(written) > 2:
        with pytest.raises(ValueError, match=r"cut off|damaged"):
            cbor.decode(bytes.fromhex(written)[:-1])


@pytest.mark.parametrize(
    "hostile",
    [b"\x81" * 100_000, b"\x9b" + b"\xff" * 8, b"\xa1\x80\x00", b"\x1c", b"\x5f\x5f", b""],
)
def test_hostile_cbor_is_refused(hostile):
    with pytest.raises(ValueError):
        cbor.decode(hostile)


def test_names_of_any_length_end_where_they_end():
    """A length is a byte, which may look like a letter of the name."""
    for length in range(1, 300):
        name = ("Bing Image Creator" + "A" * 300)[:length]
        said = dict(manifest_texts(manifest(("softwareAgent", name), ("next", "B"))))
        assert said == {"softwareAgent": name}


def test_programs_in_maps_and_lists():
    described = b"\xa1" + cbor_text("claim_generator_info") + b"\x82"
    described += b"\xa2" + cbor_text("version") + cbor_text("1") + cbor_text("name")
    described += cbor_text("Firefly") + b"\xa1" + cbor_text("name") + cbor_text("Second")
    assert list(manifest_texts(store(box(b"cbor", described)))) == [
        ("claim_generator_info", "Firefly"),
        ("claim_generator_info", "Second"),
    ]


def test_sources_in_json():
    said = json.dumps({"Iptc4xmpExt:DigitalSourceType": IPTC_TYPES + "trainedAlgorithmicMedia"})
    assertion = superbox(b"json", b"stds.iptc", box(b"json", said.encode()))
    data = with_chunk(saved("PNG"), b"caBX", store(assertion))
    assert read_provenance(data).digital_source_type == "trainedAlgorithmicMedia"


@pytest.mark.parametrize("key", ["softwareAgent", "any"])
def test_values_deep_within_each_other_end_the_reading_of_these_alone(key, monkeypatch):
    """JSON that the readers of Python 3.12 and later take, whatever their own limit of calls."""
    deep = "Midjourney"
    for _ in range(5_000):
        deep = {key: [deep]}
    reading = {b"json": lambda _: deep, b"cbor": cbor.decode}
    monkeypatch.setattr("input_pipeline.provenance.manifest._READERS", reading)
    other = box(b"cbor", b"\xa1" + cbor_text("softwareAgent") + cbor_text("Firefly"))
    assert list(manifest_texts(store(box(b"json", b"{}"), other))) == [("softwareAgent", "Firefly")]


def test_without_the_extra_a_manifest_is_there_and_not_verified(monkeypatch):
    monkeypatch.setattr(credentials, "can_verify", lambda: False)
    source = IPTC_TYPES + "trainedAlgorithmicMedia"
    said = manifest(("claim_generator", "Test Studio/1.0"), ("digitalSourceType", source))
    data = with_chunk(saved("PNG"), b"caBX", said)
    found = credentials.read_credentials(
        data, official_trust_list(), read_provenance(data).statements
    )
    assert found.state == "not verified"
    assert "npr-jax[provenance]" in found.in_words()
    assert (found.programs, found.source_types) == (
        ("Test Studio/1.0",),
        ("trainedAlgorithmicMedia",),
    )
    assert found.signer == ""


def test_damaged_boxes_end_the_reading():
    whole = manifest(("softwareAgent", "Midjourney"))
    assert list(manifest_texts(whole)) == [("softwareAgent", "Midjourney")]
    deep = box(b"cbor", b"\xa0")
    for _ in range(1000):
        deep = box(b"jumb", deep)
    broken = [whole[:-3], whole.replace(b"cbor\xa1", b"cbor\xbf"), store(deep)]
    broken += [whole[:place] + struct.pack(">I", 0) + whole[place + 4 :] for place in (0, 8, 43)]
    for data in broken:
        assert len(list(manifest_texts(data))) <= 1


def told(label, *pairs, ingredients=()):
    """A manifest with these keys and texts, made from (relationship, label of its manifest)."""
    said = bytes([0xA0 + len(pairs)])
    said += b"".join(cbor_text(key) + cbor_text(text) for key, text in pairs)
    boxes = [superbox(b"cbor", b"c2pa.actions", box(b"cbor", said))]
    for relation, other in ingredients:
        link = b"\xa1" + cbor_text("url") + cbor_text(f"self#jumbf=/c2pa/{other}")
        body = b"\xa2" + cbor_text("relationship") + cbor_text(relation)
        body += cbor_text("c2pa_manifest") + link
        boxes.append(superbox(b"cbor", b"c2pa.ingredient", box(b"cbor", body)))
    return superbox(b"c2ma", label.encode(), superbox(b"c2as", b"c2pa.assertions", *boxes))


def source_of(*manifests):
    data = with_chunk(saved("PNG"), b"caBX", superbox(b"c2pa", b"c2pa", *manifests))
    found = read_provenance(data)
    return found.source, found.generator


TRAINED = ("digitalSourceType", IPTC_TYPES + "trainedAlgorithmicMedia")
CAPTURED = ("digitalSourceType", IPTC_TYPES + "digitalCapture")
FIREFLY = ("softwareAgent", "Adobe Firefly")


def test_a_photograph_into_which_a_generated_picture_was_put_is_not_generated():
    photograph, generated = told("photograph", CAPTURED), told("generated", TRAINED, FIREFLY)
    put = [("parentOf", "photograph"), ("componentOf", "generated")]
    own = told("own", ("claim_generator", "Adobe Photoshop"), ingredients=put)
    assert source_of(photograph, generated, own) == ("parts", "Adobe Firefly")
    without = [("parentOf", ""), ("componentOf", "generated")]
    own_alone = told("own", ("claim_generator", "Adobe Photoshop"), ingredients=without)
    assert source_of(generated, own_alone) == ("parts", "Adobe Firefly")
    again = told("later", ("claim_generator", "CMS"), ingredients=[("parentOf", "own")])
    assert source_of(photograph, generated, own, again) == ("parts", "Adobe Firefly")


def test_a_generated_picture_that_was_only_saved_again_is_generated():
    generated = told("generated", TRAINED, FIREFLY)
    for relation in ("parentOf", "componentOf"):
        own = told("own", ("claim_generator", "CMS"), ingredients=[(relation, "generated")])
        assert source_of(generated, own) == ("generated", "Adobe Firefly")


def test_a_photograph_that_a_generator_was_shown_does_not_make_the_result_one():
    photograph = told("photograph", CAPTURED)
    shown = [("inputTo", "photograph")]
    assert source_of(photograph, told("own", TRAINED, ingredients=shown))[0] == "generated"
    assert source_of(photograph, told("own", ingredients=shown)) == ("", "")


def test_manifests_that_are_made_of_each_other_end_the_reading():
    first = told("first", CAPTURED, ingredients=[("parentOf", "second")])
    second = told("second", ingredients=[("parentOf", "first"), ("componentOf", "second")])
    assert source_of(first, second) == ("captured", "")


def test_a_link_that_is_no_text_ends_no_reading():
    body = b'{"relationship": "parentOf", "c2pa_manifest": {"url": "/\\ud800"}}'
    ingredient = superbox(b"json", b"c2pa.ingredient", box(b"json", body))
    assert source_of(superbox(b"c2ma", b"own", ingredient)) == ("", "")
