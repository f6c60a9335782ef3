"""What proves and what only hints: one file per kind, written here."""

import pytest

from input_pipeline.provenance.marker_table import PROOFS, marker_table
from input_pipeline.provenance.report import read_provenance
from tests.input_pipeline.provenance.files import (
    A1111,
    ARTIST,
    COMFY,
    DESCRIPTION,
    MAKE,
    MAKER_NOTE,
    MODEL,
    SOFTWARE,
    USER_COMMENT,
    XP_COMMENT,
    iptc,
    jpeg_with_exif,
    manifest,
    png,
    saved,
    source_type,
    tiff_block,
    with_chunk,
    with_segment,
    xmp,
)

ASCII = b"ASCII\0\0\0"
UUID = "01234567-89ab-cdef-0123-456789abcdef"
AIGC = '{"Label": "%s", "ContentProducer": "a firm", "ProduceID": "1"}'


def exif(*fields, private=()):
    return jpeg_with_exif(tiff_block([(t, 2, v.encode()) for t, v in fields], private))


def jpeg_xmp(*properties, **settings):
    return saved("JPEG", xmp=xmp(*properties, **settings).encode())


GENERATED = {
    "A1111 in PNG": (png(parameters=A1111), "a Stable Diffusion program (AUTOMATIC1111's format)"),
    "A1111 under another key": (png(Comment=A1111), "a Stable Diffusion program"),
    "ComfyUI's prompt": (png(prompt=COMFY), "ComfyUI"),
    "ComfyUI's workflow": (png(workflow='{"nodes": [], "links": []}'), "ComfyUI"),
    "ComfyUI's EXIF": (exif((MODEL, "prompt:" + COMFY), (MAKE, "workflow:{}")), "ComfyUI"),
    "SwarmUI": (png(parameters='{"sui_image_params": {"prompt": "a"}}'), "SwarmUI"),
    "Fooocus's key": (png(fooocus_scheme="fooocus", parameters="{}"), "Fooocus"),
    "Fooocus in directory 0": (
        exif((SOFTWARE, "Fooocus v2.5.0"), (USER_COMMENT, "{}"), (MAKER_NOTE, "fooocus")),
        "Fooocus",
    ),
    "InvokeAI": (png(invokeai_metadata='{"seed": 1}'), "InvokeAI"),
    "InvokeAI 1": (png(Dream='"a cat" -s 50 -S 1 -W 512 -H 512 -C 7.5 -A k_lms'), "InvokeAI"),
    "NovelAI": (png(Software="NovelAI", Comment='{"uc": "", "sampler": "k_euler"}'), "NovelAI"),
    "Draw Things": (
        jpeg_xmp(("CreatorTool", "Draw Things"), ("UserComment", '{"c":"a","seed":1,"model":"x"}')),
        "Draw Things",
    ),
    "a script in directory 0": (
        exif((MAKER_NOTE, "Seed: 1, ddim_steps: 50, sampler: plms, scale: 7.5, prompt: a cat")),
        "a Stable Diffusion script",
    ),
    "Midjourney's job": (png(Description=f"a boat --v 6 Job ID: {UUID}"), "Midjourney"),
    "OpenAI's download name": (
        exif((DESCRIPTION, "DALL·E 2022-09-01 12.34.56 - a cat")),
        "DALL-E (OpenAI)",
    ),
    "Grok's signature": (
        exif((DESCRIPTION, "Signature: " + "aB3/" * 30), (ARTIST, UUID)),
        "Grok (xAI)",
    ),
    "XP comment": (
        jpeg_with_exif(tiff_block([(XP_COMMENT, 1, A1111.encode("utf-16-le"))])),
        "a Stable Diffusion program",
    ),
    "trainedAlgorithmicMedia": (jpeg_xmp(source_type("trainedAlgorithmicMedia")), ""),
    "IPTC 2025.1": (jpeg_xmp(("AISystemUsed", "Imagen 4")), "Imagen 4"),
    "AIGC in PNG": (png(AIGC=AIGC % 1), "a generator under China's labelling rule"),
    "AIGC in XMP": (
        jpeg_xmp(("AIGC", (AIGC % 1).replace('"', "&quot;")), prefix="TC260"),
        "a generator under China's labelling rule",
    ),
    "AIGC in EXIF": (
        exif((USER_COMMENT, '{"AIGC": ' + AIGC % 1 + "}")),
        "a generator under China's labelling rule",
    ),
    "Google's credit": (jpeg_xmp(("Credit", "Made with Google AI")), "Google AI"),
    "Google's credit in IIM": (
        with_segment(saved("JPEG"), 0xED, iptc((110, "Made with Google AI"))),
        "Google AI",
    ),
    "IIM's program": (
        with_segment(saved("JPEG"), 0xED, iptc((120, "a caption"), (65, "Midjourney"))),
        "Midjourney",
    ),
    "a manifest's agent after a letter": (
        with_segment(
            saved("JPEG"),
            0xEB,
            b"JP\0\1\0\0\0\1" + manifest(("softwareAgent", "Bing Image Creator")),
        ),
        "Bing Image Creator (Microsoft)",
    ),
    "a manifest in PNG": (
        with_chunk(saved("PNG"), b"caBX", manifest(("claim_generator", "ChatGPT"))),
        "ChatGPT or GPT Image (OpenAI)",
    ),
}


@pytest.mark.parametrize(("data", "program"), GENERATED.values(), ids=GENERATED)
def test_what_says_that_a_generator_made_it(data, program):
    found = read_provenance(data)
    assert found.source == "generated"
    assert found.generator.startswith(program)
    assert bool(found.generator) == bool(program)


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("FLUX.2 [dev]", "FLUX (Black Forest Labs)"),
        ("flux-1.1-pro", "FLUX (Black Forest Labs)"),
        ("Imagen 3", "Google's image models"),
        ("imagen-4.0-generate", "Google's image models"),
        ("Gemini 2.5 Flash Image", "Google's image models"),
        ("SD 3.5 Large", "Stable Diffusion"),
        ("stable-diffusion-xl", "Stable Diffusion"),
        ("Sora", "Sora (OpenAI)"),
        ("Kling AI 2.1", "Kling"),
        ("Adobe_Firefly/2.0", "Adobe Firefly"),
        ("DALL·E 3", "DALL-E (OpenAI)"),
        ("DALL•E 2", "DALL-E (OpenAI)"),
        ("dalle2", "DALL-E (OpenAI)"),
    ],
)
def test_names_count_in_fields_that_name_software(text, program):
    for data in (
        exif((SOFTWARE, text)),
        exif((USER_COMMENT, text)),
        exif((USER_COMMENT, f"Created with {text}")),
        jpeg_xmp(("CreatorTool", text)),
        png(Software=text),
        png(Comment=f'{{"prompt": "a cat", "model": "{text}"}}'),
    ):
        found = read_provenance(data)
        assert (found.source, found.generator) == ("generated", program)


@pytest.mark.parametrize(
    "data",
    [
        png(Description="a poster about Midjourney and DALL-E 3"),
        png(Copyright="no training of Stable Diffusion with this picture"),
        png(Title="Sora in the morning", Author="Grok Ideogram"),
        png(parameters="shutter 1/30, f/8"),
        png(prompt="say cheese", workflow="scan, crop, sharpen"),
        exif((DESCRIPTION, "visitors in front of the OpenAI building")),
        exif((USER_COMMENT, "She spoke of Midjourney v6 and of her photographs")),
        exif((USER_COMMENT, "not made with DALL-E 3")),
        exif((SOFTWARE, "Adobe Photoshop 25.0"), (MAKE, "Canon")),
        exif((SOFTWARE, "FluxBB"), (MODEL, "Firefly III")),
        exif((SOFTWARE, "La imagen"), (MODEL, "Gemini")),
        with_segment(saved("JPEG"), 0xED, iptc((120, "made with Midjourney"), (116, "OpenAI"))),
        jpeg_xmp(("description", "made with ComfyUI"), ("rights", "no AI training: OpenAI")),
        jpeg_xmp(("DataMining", "DMI-PROHIBITED-GENAIMLTRAINING")),
        saved("JPEG", comment=b"the Grok and the Kling of this year"),
        png(AIGC='{"Label": "1"}'),
    ],
)
def test_words_that_prove_nothing(data):
    found = read_provenance(data)
    assert (found.source, found.generator) == ("", "")


@pytest.mark.parametrize("label", [2, 3])
def test_labels_of_a_suspicion_are_hints(label):
    found = read_provenance(png(AIGC=AIGC % label))
    assert (found.source, found.generator) == ("", "")
    assert [marker.proves for marker in found.markers] == ["hint"]


@pytest.mark.parametrize(
    ("terms", "source", "strongest"),
    [
        (["digitalCapture"], "captured", "digitalCapture"),
        (["digitalCapture", "trainedAlgorithmicMedia"], "generated", "trainedAlgorithmicMedia"),
        (
            ["digitalCapture", "compositeWithTrainedAlgorithmicMedia"],
            "parts",
            "compositeWithTrainedAlgorithmicMedia",
        ),
        (["algorithmicMedia"], "", "algorithmicMedia"),
        (["humanEdits"], "", ""),
    ],
)
def test_of_several_source_types_the_strongest_counts(terms, source, strongest):
    for ordered in (terms, terms[::-1]):
        found = read_provenance(jpeg_xmp(*map(source_type, ordered)))
        assert (found.source, found.digital_source_type) == (source, strongest)


def test_a_generator_named_beside_a_composite_made_parts_of_it():
    data = jpeg_xmp(
        source_type("compositeWithTrainedAlgorithmicMedia"), ("softwareAgent", "Adobe Firefly")
    )
    found = read_provenance(data)
    assert (found.source, found.generator) == ("parts", "Adobe Firefly")


def test_a_name_says_more_than_a_format():
    found = read_provenance(png(parameters=A1111, Software="Fooocus v2.5"))
    assert found.generator == "Fooocus"


def test_the_table_says_how_each_marker_is_known():
    table = marker_table()
    for marker in table.markers:
        assert marker.proves in PROOFS
        assert len(marker.source) > 20
        assert marker.date.startswith("20")
    assert len({name.program for name in table.names}) == len(table.names) > 25
