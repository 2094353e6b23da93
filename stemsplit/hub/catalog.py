"""The models that are known by name, read from `catalog.toml`."""

from __future__ import annotations

import difflib
import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from types import MappingProxyType
from typing import Any, Literal

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]

Task = Literal["separate", "denoise", "extract"]
"""What a model is wanted for, by the command's name."""

DEFAULT_MODELS: Mapping[Task, tuple[str, ...]] = MappingProxyType(
    {
        "separate": ("htdemucs", "spleeter_spectral", "spectral"),
        "denoise": ("deepfilternet3", "nsnet2_48k", "logmmse"),
        "extract": ("speakers2",),
    }
)
"""For who names none: the one that runs; and where it cannot be had, one whose weights may be
installed in its place, and one that can always be had, if there are."""

DEFAULT_MODEL, OFFLINE_MODEL, FALLBACK_MODEL = DEFAULT_MODELS["separate"]

Licence = Literal["permissive-confirmed", "stated-permissive", "restricted", "unknown"]
"""What is known about the licence of the weights (not of the code)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedScore:
    """One published figure, in dB; `stem` None is the source's own figure for all stems.

    `short` stands for the protocol where there is little room; it is the same wherever figures can
    be compared. `rank`: how many of these the catalogue has before it, which count for more where
    models are compared.
    """

    metric: str
    value: float
    stem: str | None
    dataset: str
    protocol: str
    source: str
    short: str
    rank: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedFile:
    """A file on the Hub, in the model's `distribution` or below its `address`, by its path there.

    `repo_id` None: in the model's own repository, at its revision.

    `sha256` None: only the Hub, or the end of its name, says what the content must be. `part`: of
    a network that is spread over several files, which part this one has.
    """

    file: str
    sha256: str | None = None
    part: str = ""
    repo_id: str | None = None
    revision: str = "main"


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedNetwork:
    """The files of one network, and how it is built: by a `config` file, or by `settings` here.

    `stems` None: those of the model.
    """

    signature: str
    weights: tuple[PublishedFile, ...]
    config: PublishedFile | None = None
    settings: Mapping[str, object] | None = None
    stems: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedPart:
    """Another entry that has a say in some stems of a model.

    `hears`: the stem of the first part that it takes apart; None: the mixture.
    """

    model: str
    stems: tuple[str, ...]
    hears: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogEntry:
    """What is known about a model before any of its files is on the disk.

    Its files come from a repository on the Hub, from the Python package `distribution`, as
    `NAME==VERSION`, from below an https `address`, or `by_hand` from where this says, which no
    program can. Without any of these, and without `parts`, a model is built in and has no files.
    `parts`: the other entries that it is made of, where it has no files of its own. `networks`
    empty: a bag in the repository names them. `size_bytes`: approximate, None when not known.
    `giga_operations`: multiplications and additions for a second of music, in 10^9, None when not
    known. `trained_on_test_set` (of MUSDB18) None: nobody has said. `unverified`: that the files
    are where it says is the word of one source. `one_network_per_stem`: each stem has a network of
    its own, so that one stem costs its share of `giga_operations`. `aliases`: shorter names that
    mean this model too. `child_names`: what its stems are called where it takes a stem of another
    model apart, such as `lead` for the `vocals` of a karaoke network; a name for each of its stems,
    or empty. `score_note`: what figures belong to if not to these very weights, or which are known
    of the model, but not of these.
    """

    name: str
    description: str
    family: str
    repo_id: str | None = None
    distribution: str | None = None
    address: str | None = None
    by_hand: str | None = None
    revision: str = "main"
    parts: tuple[PublishedPart, ...] = ()
    stems: tuple[str, ...]
    size_bytes: int | None = None
    giga_operations: float | None = None
    cost: str
    licence: Licence
    licence_note: str
    trained_on_test_set: bool | None = None
    unverified: bool = False
    networks: tuple[PublishedNetwork, ...]
    scores: tuple[PublishedScore, ...]
    one_network_per_stem: bool = False
    aliases: tuple[str, ...] = ()
    child_names: Mapping[str, str] = field(default_factory=dict)
    score_note: str = ""

    @property
    def is_built_in(self) -> bool:
        """Whether there are no files to it."""
        sources = (self.repo_id, self.distribution, self.address, self.by_hand, self.parts)
        return not any(sources)

    @property
    def origin(self) -> str:
        """Where its files come from, for people."""
        if self.repo_id is not None:
            return f"{self.repo_id}@{self.revision}"
        if self.distribution is not None:
            return f"the Python package {self.distribution}"
        if self.address is not None:
            return self.address
        if self.by_hand is not None:
            return f"{self.by_hand}; fetch it by hand and give its path as the model"
        return " and ".join(part.model for part in self.parts) or "built in"


@dataclass(frozen=True, kw_only=True, slots=True)
class Purpose:
    """What models are for.

    `has`: lists of stems; a model that has all those of one list is for it. `figure`: the stem
    whose scores count, None for all stems. `shown`: how many models a short list has for it.
    """

    name: str
    has: tuple[tuple[str, ...], ...]
    figure: str | None = None
    shown: int = 0


def load_catalog() -> Mapping[str, CatalogEntry]:
    """Every entry by its name, in the order in which the catalogue lists them."""
    return _read()[0]


def load_purposes() -> tuple[Purpose, ...]:
    """What models are for, in the order in which they are listed."""
    return _read()[1]


@functools.cache
def _read() -> tuple[Mapping[str, CatalogEntry], tuple[Purpose, ...]]:
    text = resources.files("stemsplit.hub").joinpath("catalog.toml").read_text(encoding="utf-8")
    document = tomllib.loads(text)
    purposes = tuple(
        Purpose(**{**table, "has": tuple(map(tuple, table["has"]))})
        for table in document["purposes"]
    )
    return MappingProxyType(_parse(document)), purposes


def list_models() -> list[str]:
    """The names of all models in the catalogue, the default first."""
    return list(load_catalog())


def find_entry(name: str, catalog: Mapping[str, CatalogEntry]) -> CatalogEntry | None:
    """The entry of that name or alias; None for any other word.

    Other spellings are no names: HTDemucs-ft may well be a folder that was fetched from the Hub.
    """
    if name in catalog:
        return catalog[name]
    return next((entry for entry in catalog.values() if name in entry.aliases), None)


def suggest_names(name: str) -> list[str]:
    """Up to three names in the catalogue that `name` may have been meant to be, best first."""
    # HTDemucs-ft is how the Hub spells htdemucs_ft
    spelling = name.lower().replace("-", "_")
    names = [known for entry in load_catalog().values() for known in (entry.name, *entry.aliases)]
    return difflib.get_close_matches(spelling, names, n=3, cutoff=0.6)


def parse_catalog(text: str) -> dict[str, CatalogEntry]:
    """The entries in a catalogue's TOML text, by name.

    The catalogue is part of the program: tests/hub/test_catalog.py keeps it right, and nothing is
    checked here.
    """
    return _parse(tomllib.loads(text))


def _parse(document: dict[str, Any]) -> dict[str, CatalogEntry]:
    protocols = {each["id"]: {"short": each.pop("id"), **each} for each in document["protocols"]}
    letters = list(dict.fromkeys(each["short"] for each in protocols.values()))
    protocols = {
        name: {**each, "rank": letters.index(each["short"])} for name, each in protocols.items()
    }
    licences = {each["id"]: each for each in document["licences"]}
    settings = document.get("settings", {})
    return {
        name: _parse_entry(name, table, licences, protocols, settings)
        for name, table in document["models"].items()
    }


def _parse_entry(
    name: str,
    table: dict[str, Any],
    licences: Mapping[str, Mapping[str, Any]],
    protocols: Mapping[str, Mapping[str, Any]],
    settings: Mapping[str, Mapping[str, object]],
) -> CatalogEntry:
    licence = licences[table.pop("licence")]
    networks, scores = table.pop("networks", []), table.pop("scores", {})
    parts = [{**part, "stems": tuple(part["stems"])} for part in table.pop("parts", [])]
    rest: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
    }
    return CatalogEntry(
        name=name,
        licence=licence["label"],
        licence_note=licence["note"],
        parts=tuple(PublishedPart(**part) for part in parts),
        networks=tuple(_parse_network(name, network, settings) for network in networks),
        scores=tuple(
            _parse_score(protocols[protocol], stem, value)
            for protocol, values in scores.items()
            for stem, value in values.items()
        ),
        **rest,
    )


def _parse_network(
    name: str, table: Mapping[str, Any], settings: Mapping[str, Mapping[str, object]]
) -> PublishedNetwork:
    weights = table["weights"]
    stems = tuple(table["stems"]) if "stems" in table else None
    own = table.get("settings")
    return PublishedNetwork(
        signature="_".join(stems) if stems else name,
        weights=tuple(
            PublishedFile(**file) for file in (weights if isinstance(weights, list) else [weights])
        ),
        config=PublishedFile(**table["config"]) if "config" in table else None,
        settings=settings[own] if isinstance(own, str) else own,
        stems=stems,
    )


def _parse_score(protocol: Mapping[str, Any], stem: str, value: float) -> PublishedScore:
    return PublishedScore(**protocol, value=float(value), stem=None if stem == "all" else stem)
