"""`markers.toml` as rules: which words in which fields, who writes them, what they prove."""

import fnmatch
import re
import tomllib
from functools import cache
from importlib import resources
from typing import NamedTuple

# What a marker proves, the strongest first; a file's source is the strongest that it carries.
GENERATED, PARTS, CAPTURED, HINT = PROOFS = ("generated", "parts", "captured", "hint")
# What stands before a name in a comment that says what made the picture.
_MADE_BY = (
    r"(?:^\W*|[\n.,;:|(\[]\s*)(?:(?:this|the|an?|ai)\s+)*(?:(?:image|picture|artwork|art|illustration)\s+)?"
    r"(?:was\s+|is\s+)?(?:ai[- ])?"
    r"(?:made|generated|created|rendered|painted|drawn|produced|imagined)\s+"
    r"(?:by|with|in|using|via|from|on)\W+(?:the\s+|an?\s+)?(?:ai\s+)?(?:model\s+|tool\s+|generator\s+)?"
)
# What may follow a name that is all of a comment: a version, a size, a maker.
_VERSION = (
    r"(?:[ /:(,._-]*(?:v(?:ersion)?[ .]?)?\d[\w.]*)?"
    r"(?:[ /,_.(\[-]*(?:ai|dev|pro|schnell|flash|image|large|medium|small|mini|turbo|xl|fast|ultra"
    r"|max|generate|preview)\b[)\]]*){0,3}(?:\s+by \w+|\s*\(\w+\))?\W*"
)
_MADE_WITH = _MADE_BY.replace("(?:by|", "(?:", 1)
_MAKER = r"(?:[\w.-]+/|(?:openai|google|microsoft|adobe|stability|black forest labs)\W{1,2}){0,2}"
_PROGRAMS = r"(?:^|[\s,;{'\"])(?:model|engine|generator|software|app|tool|api)"
_SOURCES = r"(?:^|[\s,;{'\"])(?:creator|source|service)"
_GENERATORS = r"(?:^|[\s,;{'\"])(?:generator|software|app)"
_JSON = r"[\"'](?:model|engine|generator|software|creator|source|service|app|tool|api)[\"']"


class Marker(NamedTuple):
    """A text that says where a picture comes from."""

    fields: re.Pattern[str]
    text: re.Pattern[str]
    program: str
    proves: str  # of `PROOFS`
    source: str
    date: str


class Name(NamedTuple):
    """A generator's name."""

    program: str
    words: re.Pattern[str]  # whole, wherever they stand
    as_software: re.Pattern[str]  # the same; of a name that is a word besides at the beginning
    as_device: re.Pattern[str]  # where a text begins with it; never, where it is a word besides
    as_comment: re.Pattern[str]  # where a comment says that it made the picture
    source: str


class MarkerTable(NamedTuple):
    """Everything that is known."""

    markers: tuple[Marker, ...]
    names: tuple[Name, ...]
    any_name: re.Pattern[str]  # matches where one of `names` may
    software: re.Pattern[str]  # fields that name software
    devices: re.Pattern[str]  # fields that name cameras, and where some programs name themselves
    comments: re.Pattern[str]  # fields that may
    rights: re.Pattern[str]  # fields in which nothing counts


@cache
def marker_table() -> MarkerTable:
    """The table, read once."""
    text = resources.files(__package__).joinpath("markers.toml").read_text("utf-8")
    known = tomllib.loads(text)
    names = tuple(
        _name(
            entry["program"],
            entry["words"],
            entry.get("language_models", []),
            entry.get("source", "a name in a field for software"),
            also_a_word=entry.get("also_a_word", False),
            a_company=entry.get("a_company", False),
        )
        for entry in known["name"]
    )
    return MarkerTable(
        markers=tuple(
            Marker(
                _fields(entry["fields"]),
                _pattern(entry["text"]),
                entry["program"],
                entry["proves"],
                entry["source"],
                entry["date"],
            )
            for entry in known["marker"]
        ),
        names=names,
        any_name=re.compile("|".join(name.words.pattern for name in names), re.IGNORECASE),
        software=_fields(known["software"]),
        devices=_fields(known["devices"]),
        comments=_fields(known["comments"]),
        rights=_fields(known["rights"]),
    )


def _fields(patterns: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(fnmatch.translate, patterns)), re.IGNORECASE)


def _pattern(text: str) -> re.Pattern[str]:
    # Flags may stand at the beginning of an expression only.
    flags = re.DOTALL if "(?s)" in text else re.NOFLAG
    flags |= re.IGNORECASE if "(?i)" in text else re.NOFLAG
    flags |= re.MULTILINE if "(?m)" in text else re.NOFLAG
    return re.compile(re.sub(r"\(\?[sim]\)", "", text), flags)


def _name(
    program: str,
    words: list[str],
    language_models: list[str],
    source: str,
    *,
    also_a_word: bool,
    a_company: bool,
) -> Name:
    whole = _whole([*words, *language_models])
    software = rf"^\W*(?:\w+\W{{1,3}})?{whole}" if also_a_word else whole
    device = r"(?!)" if also_a_word else rf"^\W*{whole}"
    comment = _in_comments(_whole(words), also_a_word, a_company)
    if language_models:  # which also write what a comment says
        speaker = _whole(language_models)
        made = rf"{_MADE_BY}{speaker}|^\W*{speaker}{_VERSION}$"
        if also_a_word:
            made = rf"{_MADE_WITH}{speaker}{_VERSION}$"
        comment += rf"|{made}|{_GENERATORS}{_value(speaker)}"
    anywhere, as_software, as_device, as_comment = (
        re.compile(pattern, re.IGNORECASE) for pattern in (whole, software, device, comment)
    )
    return Name(program, anywhere, as_software, as_device, as_comment, source)


def _whole(words: list[str]) -> str:
    """Any of some words; a version may follow, but none goes on: 3.5, -2; not SD300."""
    spaced = "|".join(word.replace(" ", r"[ _.-]?") for word in words)
    return rf"(?<![a-z0-9])(?:{spaced})(?![a-z])(?!(?<=\d)\d)"


def _value(whole: str) -> str:
    return rf"\W{{1,6}}{_MAKER}{whole}{_VERSION}(?:$|[,;\n\"'}}])"


def _in_comments(whole: str, also_a_word: bool, a_company: bool) -> str:
    """Where a comment says that it made the picture, rather than shows or tells of it."""
    value = _value(whole)
    if a_company:
        return rf"{_MADE_BY}{whole}|{_JSON}{value}"
    if also_a_word:  # a person may have painted it
        return rf"{_MADE_WITH}{whole}{_VERSION}$|{_JSON}{value}"
    keys = rf"(?:{_PROGRAMS}|{_SOURCES}|{_JSON}){value}"
    at_the_end = rf"(?:\b(?:using|via)\s+|[(\[|–—-]\s*(?=.*\d)){whole}{_VERSION}$"
    return rf"{_MADE_BY}{whole}|^\W*{whole}{_VERSION}$|{keys}|{at_the_end}"
