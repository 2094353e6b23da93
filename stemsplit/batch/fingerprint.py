"""What decides how a track's outputs sound, and in what an earlier run differs from it.

A fingerprint holds every option, but only what differs from the usual counts, so that a finished
library stays finished:

* An option that the record does not know is taken to have been as if it were not there: at its
  default. One that has come since and is not used redoes nothing.
* An option that only the record knows counts if it said anything: null, false, 0, "" and [] do not.
* An option without which another one says nothing does not count (a seed without random shifts).
* After a default has changed, tracks that were made with the old one are redone, and no others.
* An option means the same for ever. If the value that stands for "as if it were not there" is
  neither the default nor nothing, it goes into `_NEUTRAL`.

Of the program only what is audible counts. A network is its digest, whatever version runs it: a
release that computes the same sums in another order, or reads damaged files better, redoes nothing.
So does a model without files: it carries a number of its own (`ModelSpec.revision`), which is
counted up when it sounds different. Songs that should be redone all the same need `--overwrite`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stemsplit.audio.formats import Encoding, SampleRate
from stemsplit.engine.chain import Chain
from stemsplit.engine.ensemble import Ensemble
from stemsplit.engine.excerpt import Excerpt
from stemsplit.engine.options import SeparationOptions

Values = Mapping[str, Any]

_OPTIONS: Mapping[str, Sequence[type]] = {
    "options": (SeparationOptions, Excerpt),
    "encoding": (Encoding,),
}
"""The parts of a fingerprint that are options, and where their defaults are."""

_NEUTRAL: Mapping[str, Values] = {
    "options": {"sample_rate": "source"},
    "encoding": {"clip": "common", "tags": True},
}

_ORDER = (
    *("stems", "two_stems", "complement", "residual", "sum_to_mix", "mixes", "lfe", "stem_file"),
    *("start_seconds", "end_seconds", "shifts", "seed", "overlap", "segment_seconds"),
    *("sample_rate", "audio_track"),
)
"""In which a record has its options, those of the model and those of the track among each other."""

_ONLY_WITH = {"seed": "shifts", "complement": "two_stems"}

_CHOICE_OF_OUTPUTS = ("stems", "two_stems", "complement", "residual", "mixes", "then")

# Until 0.4 the built-in model was known by the program's version. It never changed in that time.
_BY_VERSION = re.compile(r"stemsplit [\w.]+")

_WORDS = {
    "input_sha256": "song",
    "track": "place or text in the cue sheet",
    "subtype": "bit depth",
    "audio_track": "track",
    "container": "format",
    "start_seconds": "start",
    "end_seconds": "end",
    "segment_seconds": "segment",
}
_NOTHING = {"stems": "all", "two_stems": "none", "then": "none"}


def fingerprint(
    *,
    input_sha256: str,
    chain: Chain,
    excerpt: Excerpt,
    sample_rate: SampleRate,
    encoding: Values,
    track: Values | None = None,
) -> dict[str, Any]:
    """Everything that decides how the outputs sound: equal fingerprints, equal outputs.

    `track`: which part of the file the song is, if it is not all of it.
    """
    options = dataclasses.asdict(chain.options) | dataclasses.asdict(excerpt)
    options["sample_rate"] = sample_rate
    wanted: dict[str, Any] = {
        "input_sha256": input_sha256,
        "model": _identity(chain.model),
        "options": {name: options.pop(name) for name in _ORDER} | options,
        "precision": chain.precision,
        "encoding": dict(encoding),
    }
    if track is not None:
        wanted["track"] = dict(track)
    if chain.steps:
        wanted["then"] = [
            {"parent": step.parent, "children": step.children, **_identity(step.model)}
            for step in chain.steps
        ]
    return wanted


@dataclass(frozen=True, slots=True)
class Change:
    """Something that an earlier run did otherwise."""

    name: str
    before: Any
    now: Any

    def __str__(self) -> str:
        """As one would say it: "bit depth 32f -> 24"."""
        word = _WORDS.get(self.name, self.name.replace("_", " "))
        if self.name == "input_sha256":
            return "the song has changed"
        if self.name == "reference_sha256":
            return "another reference"
        nothing = _NOTHING.get(self.name, "default")
        before, now = _shown(self.before, nothing), _shown(self.now, nothing)
        return f"another {word}" if before == now else f"{word} {before} -> {now}"


def changes(found: Values, wanted: Values, *, ignored: Collection[str] = ()) -> list[Change]:
    """In what the fingerprint `found` in a record differs from the one that is `wanted`.

    A record with more steps after the same separation (`then`) has what is wanted.
    """
    wanted = json.loads(json.dumps(wanted))  # tuples become lists, as in a record
    differing: list[Change] = []
    for key in dict.fromkeys([*wanted, *found]):
        if key in ignored or (key == "then" and key not in wanted):
            continue
        before, now = found.get(key), wanted.get(key)
        if key in _OPTIONS:
            differing += _changed_options(key, before, now)
        elif _comparable(before) != _comparable(now) and (before or now):
            differing.append(Change(key, before, now))
    if any(change.name in _CHOICE_OF_OUTPUTS for change in differing):
        # Of a model only the networks that the chosen outputs need are loaded, and known.
        return [change for change in differing if not _is_same_model(change)]
    return differing


def set_of(fingerprint: Values) -> str:
    """8 hexadecimal digits for outputs that belong together: those that are only chosen otherwise.

    What is at its default does not count, nor the precision, nor which networks of the model ran:
    those that the chosen stems needed.
    """
    fingerprint = json.loads(json.dumps(fingerprint))
    model = fingerprint.get("model")
    said: dict[str, Any] = {
        "song": fingerprint.get("input_sha256"),
        "model": model.get("name") if isinstance(model, dict) else None,
    }
    if "track" in fingerprint:
        said["track"] = fingerprint["track"]
    for part in _OPTIONS:
        values = fingerprint.get(part)
        values = values if isinstance(values, dict) else {}
        neutral = _neutral_values(part)
        said[part] = {
            name: value
            for name, value in values.items()
            if _counts(name, values)
            and name not in _CHOICE_OF_OUTPUTS
            and (value != neutral[name] if name in neutral else value)
        }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8]


def _is_same_model(change: Change) -> bool:
    """Whether the change is only in which networks of a model ran."""
    before, now = change.before, change.now
    if change.name != "model" or not (isinstance(before, dict) and isinstance(now, dict)):
        return False
    ran, runs = _networks(before), _networks(now)
    common = ran.keys() & runs.keys()
    return before.get("name") == now.get("name") and all(ran[key] == runs[key] for key in common)


def _networks(model: Values) -> dict[str, Any]:
    """The digests of a model's networks, by signature."""
    parts = model.get("parts")
    found: dict[str, Any] = {}
    for part in (model, *(parts if isinstance(parts, list) else ())):
        networks = part.get("networks") if isinstance(part, dict) else None
        found |= _comparable(networks) if isinstance(networks, dict) else {}
    return found


def _counts(name: str, *options: Values) -> bool:
    """Whether an option says anything beside the others, in any of the `options`."""
    condition = _ONLY_WITH.get(name)
    return condition is None or any(values.get(condition) for values in options)


def _changed_options(part: str, before: Any, now: Any) -> Iterator[Change]:
    before, now = (value if isinstance(value, dict) else {} for value in (before, now))
    neutral = _neutral_values(part)
    for name in dict.fromkeys([*now, *before]):
        if not _counts(name, before, now):
            continue
        then = before.get(name, neutral.get(name))
        today = now.get(name, neutral.get(name))
        is_known = name in now or name in neutral
        if then != today and (is_known or then):
            yield Change(name, then, today)


def _neutral_values(part: str) -> dict[str, Any]:
    """What an option is where nothing is said about it."""
    defaults = {
        field.name: field.default
        for owner in _OPTIONS[part]
        for field in dataclasses.fields(owner)
        if field.default is not dataclasses.MISSING
    }
    values: dict[str, Any] = json.loads(json.dumps({**defaults, **_NEUTRAL[part]}))
    return values


def _comparable(value: Any) -> Any:
    """A value of a fingerprint without the words that have changed and mean the same."""
    if isinstance(value, dict):
        return {key: _comparable(each) for key, each in value.items() if key != "family"}
    if isinstance(value, list):
        return [_comparable(each) for each in value]
    if isinstance(value, str) and _BY_VERSION.fullmatch(value):
        return _revision(1)
    return value


def _shown(value: Any, nothing: str) -> str:
    if isinstance(value, dict):
        return str(value.get("name", "other"))
    if isinstance(value, list):
        return ", ".join(_shown(each, nothing) for each in value) or "none"
    if value is None:
        return nothing
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def _identity(model: Ensemble) -> dict[str, Any]:
    """Which networks there are and what they count."""
    parts = [
        {
            "name": bag.name,
            "family": bag.family,
            "networks": {
                member.signature: member.sha256 or _revision(member.model.spec.revision)
                for member in bag.members
            },
            **({"mixer": bag.mixer.sha256} if bag.mixer else {}),
        }
        for bag in model.bags
    ]
    if len(parts) == 1:
        return {**parts[0], "name": model.name}
    # Records of 0.4 call them so, and what differs from a record is done again.
    shares = [dict(part.weights) for part in model.parts]
    hears = [part.hears for part in model.parts]
    heard = {"hears": hears} if any(hears) else {}
    return {"name": model.name, "parts": parts, "shares": shares, **heard}


def _revision(number: int) -> str:
    return f"built in, revision {number}"
