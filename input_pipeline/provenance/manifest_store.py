"""What a store of Content Credentials says: who wrote it, and what was done to a picture.

The store is what c2pa-python gives as JSON. Its texts may be anybody's.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

_MAX_ACTIONS, _MAX_MANIFESTS, _LONGEST = 50, 100, 200  # characters of one text


class Action(NamedTuple):
    """What was done to the picture, or to one that it was made from."""

    action: str  # C2PA's term, such as ``c2pa.created``
    program: str
    source_type: str  # IPTC's term, such as ``trainedAlgorithmicMedia``


class Story(NamedTuple):
    """Of a picture, then of all that it was made from."""

    programs: tuple[str, ...]  # claim generators
    actions: tuple[Action, ...]
    source_types: tuple[str, ...]  # IPTC's terms


def read_story(store: Mapping[str, Any]) -> Story:
    """What all manifests say that lead to the picture's own."""
    chain = list(_chain(store))
    return Story(
        programs=each_once(_program(manifest) for manifest in chain),
        actions=tuple(action for m in chain for action in _actions(m))[:_MAX_ACTIONS],
        source_types=each_once(term(text) for m in chain for text in _source_types(m)),
    )


def _chain(store: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The picture's manifest, then those of what it was made from."""
    manifests = store.get("manifests") or {}
    waiting = [store.get("active_manifest")]
    seen: set[Any] = set()
    while waiting and len(seen) < _MAX_MANIFESTS:
        label = waiting.pop(0)
        if label in seen or label not in manifests:
            continue
        seen.add(label)
        yield manifests[label]
        ingredients = maps(manifests[label].get("ingredients"))
        waiting += [ingredient.get("active_manifest") for ingredient in ingredients]


def _program(manifest: Mapping[str, Any]) -> str:
    """The claim generator, with its version."""
    described = maps(manifest.get("claim_generator_info"))
    return _agent(described[0]) if described else line(manifest.get("claim_generator"))


def _agent(described: Any) -> str:
    """A program's name and version, or a text that names it."""
    if not isinstance(described, Mapping):
        return line(described)
    parts = (line(described.get("name")), line(described.get("version")))
    return " ".join(filter(None, parts))


def _actions(manifest: Mapping[str, Any]) -> Iterator[Action]:
    for assertion in maps(manifest.get("assertions")):
        if "actions" not in line(assertion.get("label")):
            continue
        data = assertion.get("data")
        agents = maps(data.get("softwareAgents")) if isinstance(data, Mapping) else []
        # Bing's files of 2023 have the list itself.
        for action in maps(data.get("actions") if isinstance(data, Mapping) else data):
            agent, place = action.get("softwareAgent"), action.get("softwareAgentIndex")
            if agent is None and isinstance(place, int) and 0 <= place < len(agents):
                agent = agents[place]
            source_type = term(line(action.get("digitalSourceType")))
            yield Action(line(action.get("action")), _agent(agent), source_type)


def _source_types(value: Any) -> Iterator[str]:
    """All of a manifest, whatever they are said of."""
    if isinstance(value, list):
        for item in value:
            yield from _source_types(item)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key.lower().endswith(("digitalsourcetype", "digital_source_type")):
                yield line(item)
            else:
                yield from _source_types(item)


def maps(value: Any) -> list[Mapping[str, Any]]:
    """The maps in a list; none of anything else."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def term(address: str) -> str:
    """The last part of a term's address."""
    return address.strip("/ ").rpartition("/")[2]


def each_once(texts: Iterable[str]) -> tuple[str, ...]:
    """Texts that are not empty, in the order of their first."""
    return tuple(dict.fromkeys(text for text in texts if text))


def line(text: Any) -> str:
    """A text on one line, printable and not too long; empty for anything else."""
    if not isinstance(text, str):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in text[:_LONGEST]).split())
