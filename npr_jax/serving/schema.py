"""The API's answers as a documented schema (pydantic makes the OpenAPI description of them)."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from input_pipeline.provenance.credentials import STATES

# Kept as plain texts, so that the code's own may be used; the schema names the values.
Verdict = Annotated[
    str, Field(json_schema_extra={"enum": ["generated", "photograph", "unsure", ""]})
]
Family = Annotated[str, Field(json_schema_extra={"enum": ["jpeg", "webp", "resize"]})]
_CERTAINTIES = ["exact", "near", "unlike", ""]
_SOURCES = ["generated", "parts", "captured"]
Proof = Annotated[str, Field(json_schema_extra={"enum": [*_SOURCES, "hint"]})]
_SCORE = "probability of being generated"


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True)


class Identity(_Answer):
    """Who answers."""

    version: str = Field(description="version of npr-jax")
    checkpoint: str = Field(description="SHA-256 of the detector's numbers, 64 hexadecimal digits")
    system: str = Field(description="the detector's system, as npr or multiscale")
    source: str = Field(
        description="name and version, run and step, or file of weights, without folders"
    )
    preprocessing: str = Field(description="what happens to pixels before the network, in words")
    calibration: str = Field(description="whether scores are calibrated, and how, in words")
    engine: str = Field(description="what runs the network, with its version")


class HintAnswer(_Answer):
    """Metadata that says where a picture comes from."""

    where: str = Field(description="the field it stands in, as PNG parameters")
    text: str = Field(description="what is written there, shortened to 300 characters")
    program: str = Field(description="who writes that; empty where only the text says it")
    proves: Proof = Field(description="what it proves, if nobody forged it")


class MarkAnswer(_Answer):
    """The invisible mark that scripts of Stable Diffusion write into pixels."""

    program: str = Field(description="whose mark it is; empty: none was found, which means nothing")
    p_value: float | None = Field(
        ge=0, le=1, description="chance of reading as much of it in a picture without; else null"
    )


class ActionAnswer(_Answer):
    """What Content Credentials say was done to the picture, or to one that it was made from."""

    action: str = Field(description="C2PA's term, as c2pa.created")
    program: str = Field(description="that did it; empty where it is not said")
    source_type: str = Field(description="IPTC's term, as trainedAlgorithmicMedia; else empty")


class CredentialsAnswer(_Answer):
    """Content Credentials (C2PA). Nothing is vouched for but in the two states that are valid."""

    state: Annotated[str, Field(json_schema_extra={"enum": list(STATES)})] = Field(
        description="how far they can be relied on, in words"
    )
    reason: str = Field(description="why they cannot be verified or read; else empty")
    signer: str = Field(description="name on the certificate; empty without a signature")
    organization: str = Field(description="the signer's, as the certificate says")
    signed_at: str = Field(description="ISO 8601, of a time stamp; empty without one")
    programs: tuple[str, ...] = Field(
        description="that wrote them: for this picture, then for those it was made from"
    )
    actions: tuple[ActionAnswer, ...] = Field(description="of all of these")
    source_types: tuple[str, ...] = Field(description="IPTC's terms, of all of these")
    trust_list: str = Field(description="the list of signers that they were held against")


class FactsAnswer(_Answer):
    """What the file says of itself. It can be forged, and never changes the score."""

    format: str = Field(description="JPEG, PNG, WEBP, ... as Pillow names it")
    width: int = Field(ge=1, description="pixels")
    height: int = Field(ge=1, description="pixels")
    num_bytes: int = Field(ge=0, description="size of the file")
    orientation: int = Field(
        ge=1,
        le=8,
        description="EXIF's number for how pixels are to be turned; they are scored as stored, and "
        "evidence is shown upright",
    )
    pictures: int = Field(
        ge=1, description="in the file, as frames of an animation; the first or primary is scored"
    )
    transparent: float | None = Field(
        ge=0, le=1, description="share of the picture that is transparent and scored as grey"
    )
    jpeg_quality: int | None = Field(
        ge=1, le=100, description="of a JPEG, the libjpeg quality with the nearest table; else null"
    )
    jpeg_certainty: Annotated[str, Field(json_schema_extra={"enum": _CERTAINTIES})] = Field(
        description="exact: it is that table; near; unlike: the quality means nothing; else empty"
    )
    jpeg_encoder: str = Field(description="who writes such tables; empty where that is not known")
    jpeg_setting: str = Field(description="of that encoder; else empty")
    jpeg_steps: tuple[int, ...] = Field(
        description="of luminance at the mean and the three lowest frequencies; else empty"
    )
    bits_per_pixel: float = Field(ge=0, description="of the file")
    subsampling: str = Field(description="of a JPEG: 4:4:4, 4:2:0, ..., grey, other; else empty")
    camera: str = Field(description="maker and model from EXIF; else empty")
    software: str = Field(description="from EXIF or PNG text; else empty")
    source: Annotated[str, Field(json_schema_extra={"enum": [*_SOURCES, ""]})] = Field(
        description="the strongest that the file says: a generator made it, made parts of it, or a "
        "camera or scanner took it; empty where it does not say, which means nothing"
    )
    generator: str = Field(description="the program that is named; else empty")
    digital_source_type: str = Field(description="IPTC's term, the strongest; else empty")
    credentials: CredentialsAnswer | None = Field(
        description="Content Credentials (C2PA); null where the file has none, which means nothing"
    )
    generator_hints: tuple[HintAnswer, ...] = Field(
        description="metadata that says where the picture comes from, the strongest first"
    )
    mark: MarkAnswer | None = Field(
        description="in the pixels; null where this detector reads none"
    )
    bytes_after_end: int = Field(
        ge=0, description="bytes after the end of the picture: often a second one, or a film"
    )
    texts: tuple[str, ...] = Field(description="names of the text fields found")


class DeliveryAnswer(_Answer):
    """The same picture sent on in one way, scored again."""

    family: Family
    strength: float = Field(description="quality 1 to 100, or factor of either side")
    label: str = Field(description="the same in words")
    score: float | None = Field(ge=0, le=1, description=f"{_SCORE}; null where not computed")
    verdict: Verdict
    counts: bool = Field(description="whether becoming the opposite here makes the verdict unsure")
    problem: str = Field(description="why it was not computed; else empty")


class EvidenceAnswer(_Answer):
    """Pictures of what the detector looked at: base64 of PNG files of one size."""

    step: int = Field(ge=1, description="of the scored pixels every so many-th is shown")
    residuals: dict[str, str] = Field(
        description="by scale; differences of -0.1, 0, 0.1 of the pixels' range are black, grey, "
        "white"
    )
    overlay: str = Field(
        description="where the evidence lies: orange for generated, blue for a photograph; empty "
        "where there is no map"
    )
    heat_map: list[list[float]] | None = Field(description="its values, rows of logits")
    heat_map_unit: str = Field(description="what a value is")
    heat_map_problem: str = Field(description="why there is none; else empty")


class ResultAnswer(_Answer):
    """One file."""

    name: str = Field(
        description="the file's name without folders, of a zip file's member with those inside"
    )
    sha256: str = Field(description="of its bytes; empty where a zip file's member was not read")
    score: float | None = Field(
        ge=0, le=1, description=f"{_SCORE}, exactly as `predict` says; null with an error"
    )
    logit: float | None = Field(description="of the network, never calibrated; null with an error")
    detector_verdict: Verdict = Field(description="as `predict` says; empty with an error")
    verdict: Verdict = Field(
        description="the same, but unsure where a delivery that counts makes it its opposite"
    )
    reason: str = Field(description="why, in words for readers")
    error: str = Field(description="why the file was not scored; empty where it was")
    status: int = Field(description="HTTP status that says the same; 200 where it was scored")
    weights: dict[str, float] | None = Field(
        description="attention over the scales, sums to 1; null for systems without"
    )
    facts: FactsAnswer | None = Field(description="null where the header cannot be read")
    delivery: list[DeliveryAnswer] = Field(description="empty where it was not asked for")
    delivery_note: str = Field(description="why it is empty or not whole; else empty")
    evidence: EvidenceAnswer | None = Field(description="null where it was not asked for")
    seconds: float = Field(ge=0, description="of computing")


class LeftOutAnswer(_Answer):
    """A member of a zip file that is no picture by its name."""

    name: str = Field(description="with the folders inside the zip file")
    kind: str = Field(description="companion file, hidden file or system folder (that it is in)")


class ScoreAnswer(Identity):
    """Answer of POST /api/v1/score."""

    results: list[ResultAnswer] = Field(description="one for each file, in order")
    left_out: list[LeftOutAnswer] = Field(description="of zip files, what was not looked at")
    caveats: list[str] = Field(description="what the detector cannot tell")


class HealthAnswer(Identity):
    """Answer of GET /health."""

    status: Literal["ok", "busy"] = Field(description="busy: a request now would get status 503")
    inside: int = Field(ge=0, description="requests that are worked on or wait")
    max_waiting: int = Field(ge=1, description="requests that may wait")


class ErrorAnswer(_Answer):
    """Answer of any request that cannot be met."""

    version: str = Field(description="version of npr-jax")
    checkpoint: str = Field(description="SHA-256 of the detector's numbers, 64 hexadecimal digits")
    status: int = Field(ge=400, le=599, description="the HTTP status")
    error: str = Field(description="what is wrong and what to do, one or two sentences")
