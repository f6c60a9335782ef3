"""Words that tell of photographs, and programs and cameras that are no generators."""

import pytest

from input_pipeline.provenance.report import read_provenance
from tests.input_pipeline.provenance.files import (
    ARTIST,
    DESCRIPTION,
    MAKE,
    MODEL,
    SOFTWARE,
    USER_COMMENT,
    exif,
    iptc,
    jpeg_xmp,
    png,
    saved,
    with_segment,
)


@pytest.mark.parametrize(
    "text",
    [
        "Sora",
        "Sora 2",
        "Kling",
        "painted by Sora Kim",
        "drawn by Sora",
        "Creator: Sora Tanaka",
        "Model: Sora Choi, photo: A. B.",
        "Source: Sora News",
        "Source: interview with OpenAI",
        "Source: OpenAI",
        "press photo via OpenAI",
        "Headquarters – OpenAI",
        "David Holz (Midjourney)",
        "handed out by Stability AI",
        "Logo - ComfyUI",
        "OpenAI",
        '{"objects": [{"class_type": "car"}]}',
        '{"directed": false, "nodes": [{"id": 1}], "links": []}',
        "Steps: 20, Sampler: a cook's spoon, Seed: pumpkin",
        'A screen that shows "class_type": and "inputs": of ComfyUI',
        "Stairs. Steps: 12, width 2 m. Size: large",
        '{"prompt": "Describe this picture", "model": "gpt-4o"}',
        '{"model": "gemini-2.5-flash", "prompt": "Which birds are these?", "seed": 7}',
        '{"prompt": "a caption, please", "model": "llava", "quality": "high", "size": "large"}',
        '{"prompt": "say cheese", "created": "2025-01-01", "model": "EOS R5"}',
        '{"prompt": "p", "n": 1, "created": 1, "model": "gpt-3.5-turbo", "max_tokens": 9}',
        "A dog on a lawn (GPT-4o)",
        "caption: Gemini 2.5 Pro",
        "Model: grok 4",
        "Today: Steps: 10432, Distance 5 km, Size: M",
        "Order 12, Job ID: 123e4567-e89b-12d3-a456-426614174000",
    ],
)
def test_comments_and_captions_that_tell_of_photographs(text):
    for data in (
        exif((USER_COMMENT, text)),
        exif((DESCRIPTION, text)),
        saved("JPEG", comment=text.encode()),
        jpeg_xmp(("description", text)),
        png(Description=text, Comment=text),
    ):
        found = read_provenance(data)
        assert (found.source, found.generator) == ("", "")


@pytest.mark.parametrize(
    "data",
    [
        exif((0x13C, "Sora's MacBook Pro")),
        exif((MAKE, "Sora"), (MODEL, "Orbbec Gemini Pro")),
        exif((SOFTWARE, "Glaze 2 (against Midjourney and Stable Diffusion)")),
        jpeg_xmp(("CreatorTool", "Not made with Midjourney")),
        jpeg_xmp(("rights", "No use with num_inference_steps: 20")),
        exif((0x8298, "do not copy midjourney.com/jobs/123e4567-e89b-12d3")),
        png(Source="photo of the Midjourney office"),
        png(Sampler="J. Smith", sampler_id="7"),
        *(
            jpeg_xmp(("AISystemUsed", text))
            for text in ("None", "no", "N/A", "-", "No AI was used")
        ),
        jpeg_xmp(("AIPromptInformation", "none"), ("AISystemVersionUsed", "n.a.")),
    ],
)
def test_fields_whose_words_are_not_of_what_made_the_picture(data):
    found = read_provenance(data)
    assert (found.source, found.generator) == ("", "")


@pytest.mark.parametrize(
    "data",
    [
        png(Description="a poster about Midjourney and DALL-E 3"),
        png(Copyright="no training of Stable Diffusion with this picture"),
        png(Title="Sora in the morning", Author="Grok Ideogram"),
        png(parameters="shutter 1/30, f/8"),
        png(prompt="say cheese", workflow="scan, crop, sharpen"),
        png(prompt="Describe this picture in one sentence."),
        png(prompt='[{"role": "user", "content": "What is in this picture?"}]'),
        png(prompt='{"task": "read the number plate", "model": "a reader"}'),
        exif((SOFTWARE, "Reve de jour"), (ARTIST, "Wassily Kandinsky")),
        exif((DESCRIPTION, "visitors in front of the OpenAI building")),
        exif((USER_COMMENT, "She spoke of Midjourney v6 and of her photographs")),
        exif((USER_COMMENT, "not made with DALL-E 3")),
        exif((USER_COMMENT, "The exhibition shows pictures made with DALL-E 3")),
        exif((ARTIST, "Sora Grok"), (DESCRIPTION, "DALL-E 2")),
        exif((ARTIST, "John Midjourney")),
        exif((USER_COMMENT, "a talk by Sora")),
        exif((USER_COMMENT, "Dalle 12 alle 18, mercato")),
        exif((SOFTWARE, "Studio Dalle Piane"), (ARTIST, "Dalle")),
        exif((USER_COMMENT, '{"model": "EOS R5", "size": "6000x4000", "created": 1}')),
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


@pytest.mark.parametrize(
    ("make", "model"),
    [
        ("Canon", "Canon PowerShot SD300"),
        ("Canon", "Canon PowerShot SD30"),
        ("SIGMA", "SIGMA SD14"),
        ("SIGMA", "SIGMA SD1 Merrill"),
        ("Hawkeye", "Firefly 8SE"),
        ("FLIR", "Firefly S 2"),
        ("Meta", "Ray-Ban Meta Smart Glasses"),
        ("Meta AI", "Ray-Ban Meta Smart Glasses"),
        ("Losmandy", "Gemini 2"),
        ("Sunrise", "the new Sora of the sky"),
        ("KODAK", "FLUX 10"),
        ("PixArt", "PixArt PAS202"),
        ("Veo", "Veo 3"),
        ("Nikon", "Z image"),
    ],
)
@pytest.mark.parametrize(
    "software",
    [
        "Topaz Photo AI 3.1",
        "Luminar AI",
        "Imagenomic 2",
        "Adobe Photoshop Lightroom 13",
        "Ver.1.01",
    ],
)
def test_cameras_and_editors_are_no_generators(make, model, software):
    found = read_provenance(exif((MAKE, make), (MODEL, model), (SOFTWARE, software)))
    assert (found.source, found.generator) == ("", "")
