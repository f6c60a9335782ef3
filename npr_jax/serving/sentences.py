"""Every sentence that the page and the API say about a picture, for readers of any trade."""

import math
from collections.abc import Mapping, Sequence

from input_pipeline.provenance.credentials import CHANGED, TRUSTED, UNLISTED, state_in_words
from npr_jax.detectors.calibration import GENERATED, PHOTOGRAPH, UNSURE
from npr_jax.serving.schema import ActionAnswer, CredentialsAnswer, FactsAnswer, MarkAnswer

NAMES = {
    GENERATED: "made by a generator",
    PHOTOGRAPH: "a photograph",
    UNSURE: "unsure",
}
# What the detector cannot tell; shown with every answer.
CAVEATS = (
    "The detector looks for traces that up-sampling leaves between neighbouring pixels. It does "
    "not look at what the picture shows.",
    "It is an indication, not a proof: do not rest a story or an accusation on it alone.",
    "It can be wrong about generators it was not trained on, and newer ones may leave other "
    "traces.",
    "Saving again, resizing and screenshots can change the traces, in either direction: a "
    "generated picture may be missed, and a photograph may look generated.",
    "Photographs that were enlarged, sharpened or retouched by software can look generated.",
    "The score is of the whole picture: one edited or generated region may hardly move it.",
)
METADATA_NOTE = (
    "What a file says of itself can be forged and is usually lost on the way. It does not change "
    "the score, and finding nothing means nothing."
)
_BY = {
    "generated": "The file itself says that {} made this picture.",
    "parts": "The file itself says that {} made parts of this picture.",
    "captured": "The file itself says that a camera or a scanner took this picture.",
    "": (
        "The file does not say how this picture was made. Most generated pictures that have been "
        "sent on do not say it either, so this does not speak for a photograph."
    ),
}
NO_DELIVERY_FOR_METADATA = (
    "This detector reads the file, not its pixels; what re-saving does to pixels says nothing "
    "about it, so no deliveries were tried."
)
NO_DELIVERY_ASKED = "How the verdict holds up when the picture is sent on was not tried."
UNCALIBRATED = "The score is not calibrated: it orders pictures, but 0.9 does not mean 9 out of 10."
CALIBRATED = (
    "The score is calibrated on one set of pictures. It can be too sure about pictures of other "
    "kinds, and it is too high where fewer of them are generated than in that set."
)
_LISTED = 4
_SHOWN_ACTIONS = 12
_LEANS = 0.75  # score, or 1 - score, from which an unsure picture is said to lean to a side


def says_of_itself(source: str, generator: str) -> str:
    """What the file says of how it was made; `source` as in the API."""
    return _BY[source].format(generator or "a generator")


def credentials(found: CredentialsAnswer | None) -> str:
    """How far Content Credentials can be relied on; empty where there are none."""
    if found is None:
        return ""
    names = dict.fromkeys(filter(None, (found.signer, found.organization)))
    by = f" by {' of '.join(names)}" if names else ""
    when = f" on {found.signed_at[:10]}" if found.signed_at else ""
    if found.state == TRUSTED:
        return f"signed{by}{when}, a signer on {found.trust_list}, and not changed since"
    if found.state == UNLISTED:
        return (
            f"signed{by}{when} and not changed since; but the signer is not on {found.trust_list}, "
            "and anyone can sign under any name"
        )
    if found.state == CHANGED:
        return (
            f"signed{by}{when}; the picture was changed since then, so they may not be true of it"
        )
    return f"there, but {state_in_words(found.state, found.reason)}"


def credentials_say(found: CredentialsAnswer | None) -> str:
    """What Content Credentials say was done, by what."""
    if found is None:
        return ""
    done = [_action(action) for action in found.actions[:_SHOWN_ACTIONS]]
    stated = {action.source_type for action in found.actions}
    others = [term for term in found.source_types if term not in stated]
    return "; ".join([*done, *others, *(f"written by {name}" for name in found.programs)])


def _action(done: ActionAnswer) -> str:
    by = f" by {done.program}" if done.program else ""
    return f"{done.action.rpartition('.')[2]}{by}" + (
        f" ({done.source_type})" if done.source_type else ""
    )


def invisible_mark(mark: MarkAnswer | None) -> str:
    """Whose mark the pixels carry, and how sure that is; empty where nobody looked."""
    if mark is None:
        return ""
    if mark.p_value is None:
        return (
            "none found, which means nothing: most generators write none, and JPEG, resizing or "
            "cropping mostly wipes it out"
        )
    times = math.floor(-math.log10(max(mark.p_value, 1e-300)))
    return (
        f"that of {mark.program}’s scripts, which write it into what they make; by chance as much "
        f"of it is in fewer than 1 of 10^{times} pictures"
    )


def jpeg_quality(facts: FactsAnswer) -> str:
    """How strongly a JPEG was compressed, and how sure that is; empty for other files."""
    encoder = ", ".join(filter(None, (facts.jpeg_encoder, facts.jpeg_setting)))
    if facts.jpeg_certainty == "exact":
        return f"{facts.jpeg_quality} of 100 (exactly the table of {encoder})"
    if facts.jpeg_certainty == "near":
        return f"about {facts.jpeg_quality} of 100 (its table is nearly libjpeg's)"
    if facts.jpeg_certainty == "unlike":
        steps = ", ".join(map(str, facts.jpeg_steps))
        who = f"set by {encoder}" if encoder else "not known: its table is like none of libjpeg's"
        return f"{who}; steps {steps} at low frequencies, {facts.bits_per_pixel:.2g} bits per pixel"
    return ""


def reason_for(verdict: str, score: float) -> str:
    """What the detector found, in one or two sentences; ``score`` in [0, 1]."""
    percent = f"score {100 * score:.1f} %"
    if verdict == GENERATED:
        return f"The pixels look like those of generated pictures ({percent})."
    if verdict == PHOTOGRAPH:
        return f"The pixels look like those of photographs ({percent})."
    if max(score, 1 - score) >= _LEANS:
        side, others = "generated pictures", "photographs"
        if score < 0.5:
            side, others = others, side
        return (
            f"The pixels look like those of {side} ({percent}), but too many {others} have such "
            "scores for a verdict."
        )
    return f"The pixels do not tell clearly what this picture is ({percent})."


def flips(verdict: str, opposite: str, labels: Sequence[str]) -> str:
    """Why a verdict is shown as unsure."""
    return (
        f"By itself the file is called {NAMES[verdict]}, but it would be called "
        f"{NAMES[opposite]} once sent on ({listed(labels)}). The verdict is therefore shown as "
        "unsure."
    )


def holds(
    verdict: str, opposite: str, tried: int, unsure: Sequence[str], enlarged: Sequence[str]
) -> str:
    """How a verdict that is kept does under the deliveries."""
    if not unsure and not enlarged:
        return f"The verdict stays the same under all {tried} ways of sending the picture on."
    parts = []
    if unsure:
        parts.append(f"It becomes unsure when the picture is sent on as {listed(unsure)}.")
    if enlarged:
        parts.append(
            f"Enlarged ({listed(enlarged)}) it would be called {NAMES[opposite]}; that does not "
            "count, because enlarging is up-sampling."
        )
    return " ".join(parts)


def unsure_anyway(decided: Sequence[str]) -> str:
    """How an unsure picture does under the deliveries."""
    if not decided:
        return "It stays unsure however it is sent on."
    return f"It would get a verdict when sent on as {listed(decided)}; that makes it no surer."


def not_all(planned: int, late: int, unusable: Mapping[str, Sequence[str]]) -> str:
    """Why not every delivery has a score; empty where each has one.

    `late` is how many the time did not allow; `unusable` has the labels of the others without a
    score, by their problem.
    """
    parts = []
    if late:
        tried = planned - late
        parts.append(
            f"Only {tried} of {planned} ways of sending it on were tried in the time there was."
        )
    if unusable:
        count = sum(map(len, unusable.values()))
        each = "; ".join(f"{listed(labels)} ({why})" for why, labels in unusable.items())
        parts.append(f"{count} of {planned} ways of sending it on could not be scored: {each}.")
    return " ".join(parts)


def listed(labels: Sequence[str]) -> str:
    """A few of them, and how many more."""
    shown = ", ".join(labels[:_LISTED])
    more = len(labels) - _LISTED
    return f"{shown} and {more} more" if more > 0 else shown
