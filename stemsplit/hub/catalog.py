"""The models that are known by name, read from `catalog.toml`."""

from __future__ import annotations

import difflib
import functools
import math
import re
import sys
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from importlib import resources
from types import MappingProxyType
from typing import Any, Literal, get_args

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]

DEFAULT_MODEL = "htdemucs"
"""The one that runs for who names none."""
FALLBACK_MODEL = "spectral"
"""The one that can always be had."""

Licence = Literal["permissive-confirmed", "stated-permissive", "restricted", "unknown"]
"""What is known about the licence of the weights (not of the code)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedScore:
    """One published figure, in dB; `stem` None is the source's own figure for all stems.

    `short` stands for the protocol where there is little room.
    """

    metric: str
    value: float
    stem: str | None
    dataset: str
    protocol: str
    source: str
    short: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedFile:
    """A file on the Hub, or in the model's `distribution` by the path that it has there.

    `repo_id` None: in the model's own repository, at its revision.

    `sha256` None: only the Hub says what the content must be. `part`: of a network that is spread
    over several files, which part this one has.
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
class CatalogEntry:
    """What is known about a model before any of its files is on the disk.

    `distribution`: the Python package that its files come with, as `NAME==VERSION`. Without it and
    without a `repo_id`, a model is built in and has no files. `networks` empty: a bag in the
    repository names them. `size_bytes`: approximate, None when not known. `giga_operations`:
    multiplications and additions for a second of music, in 10^9, None when not known.
    `trained_on_test_set` (of MUSDB18) None: nobody has said. `unverified`: that the files are where
    it says is the word of one source. `one_network_per_stem`: each stem has a network of its own,
    so that one stem costs its share of `giga_operations`. `aliases`: shorter names that mean this
    model too. `child_names`: what its stems are called where it takes a stem of another model
    apart, such as `lead` for the `vocals` of a karaoke network; a name for each of its stems, or
    empty.
    """

    name: str
    description: str
    family: str
    repo_id: str | None
    distribution: str | None
    revision: str
    stems: tuple[str, ...]
    size_bytes: int | None
    giga_operations: float | None
    cost: str
    licence: Licence
    licence_note: str
    trained_on_test_set: bool | None
    unverified: bool
    networks: tuple[PublishedNetwork, ...]
    scores: tuple[PublishedScore, ...]
    one_network_per_stem: bool = False
    aliases: tuple[str, ...] = ()
    child_names: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_built_in(self) -> bool:
        """Whether there are no files to it."""
        return self.repo_id is None and self.distribution is None

    @property
    def origin(self) -> str:
        """Where its files come from, for people."""
        if self.repo_id is not None:
            return f"{self.repo_id}@{self.revision}"
        if self.distribution is not None:
            return f"the Python package {self.distribution}"
        return "built in"


@functools.cache
def load_catalog() -> Mapping[str, CatalogEntry]:
    """Every entry by its name, in the order in which the catalogue lists them."""
    text = resources.files("stemsplit.hub").joinpath("catalog.toml").read_text(encoding="utf-8")
    return MappingProxyType(parse_catalog(text))


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

    Raises:
        ValueError: a key is unknown, is missing or has a value that makes no sense. The catalogue
            is part of the program, so this is a mistake of ours and not the user's.
    """
    document = tomllib.loads(text)
    _check_keys("the catalogue", document, {"models", "protocols", "licences"}, {"settings"})
    protocols = {}
    for protocol in document["protocols"]:
        required = {"id", "metric", "dataset", "protocol", "source"}
        _check_keys("a protocol", protocol, required, {"short"})
        protocols[protocol["id"]] = protocol
    licences = {}
    for licence in document["licences"]:
        _check_keys("a licence", licence, {"id", "label", "note"})
        if licence["label"] not in get_args(Licence):
            raise ValueError(f"licence {licence['id']} has the unknown label {licence['label']!r}")
        licences[licence["id"]] = licence
    entries = {
        name: _parse_entry(name, table, protocols, licences, document.get("settings", {}))
        for name, table in document["models"].items()
    }
    names = Counter(name for entry in entries.values() for name in (entry.name, *entry.aliases))
    for name, count in names.items():
        if count > 1:
            raise ValueError(f"{name} is the name or alias of {count} models")
    return entries


def _parse_entry(
    name: str,
    table: dict[str, Any],
    protocols: dict[str, dict[str, str]],
    licences: dict[str, dict[str, Any]],
    settings: dict[str, dict[str, Any]],
) -> CatalogEntry:
    required = {"description", "family", "stems", "cost", "licence"}
    optional = {"repo_id", "revision", "size_bytes", "scores", "trained_on_test_set"}
    optional |= {"giga_operations", "unverified", "networks", "one_network_per_stem"}
    optional |= {"aliases", "child_names", "distribution"}
    _check_keys(name, table, required, optional)
    stems = tuple(table["stems"])
    if len(set(stems)) != len(stems) or not stems:
        raise ValueError(f"{name}: stems must be named once each, got {stems}")
    licence = licences[table["licence"]]
    return CatalogEntry(
        name=name,
        description=table["description"],
        family=table["family"],
        repo_id=table.get("repo_id"),
        distribution=table.get("distribution"),
        revision=table.get("revision", "main"),
        stems=stems,
        size_bytes=table.get("size_bytes"),
        giga_operations=table.get("giga_operations"),
        cost=table["cost"],
        licence=licence["label"],
        licence_note=licence["note"],
        trained_on_test_set=table.get("trained_on_test_set"),
        unverified=table.get("unverified", False),
        networks=tuple(
            _parse_network(name, network, settings) for network in table.get("networks", [])
        ),
        scores=tuple(
            _parse_score(f"{name}: {protocol}", stem, value, stems, protocols[protocol])
            for protocol, values in table.get("scores", {}).items()
            for stem, value in values.items()
        ),
        one_network_per_stem=table.get("one_network_per_stem", False),
        aliases=tuple(table.get("aliases", ())),
        child_names=_parse_child_names(name, table.get("child_names", {}), stems),
    )


def _parse_child_names(
    name: str, table: dict[str, str], stems: Collection[str]
) -> Mapping[str, str]:
    children = table.values()
    if table and (table.keys() != set(stems) or len(set(children)) != len(stems)):
        raise ValueError(f"{name}: child_names must name each stem, and no two the same: {table}")
    for child in children:
        if not re.fullmatch("[a-z]+", child):
            raise ValueError(f"{name}: {child!r} is no name of a stem")
    return table


def _parse_network(
    name: str, table: dict[str, Any], settings: dict[str, dict[str, Any]]
) -> PublishedNetwork:
    _check_keys(f"a network of {name}", table, {"weights"}, {"config", "settings", "stems"})
    weights = table["weights"]
    weights = weights if isinstance(weights, list) else [weights]
    stems = tuple(table["stems"]) if "stems" in table else None
    own = table.get("settings")
    return PublishedNetwork(
        signature="_".join(stems) if stems else name,
        weights=tuple(_parse_file(name, file) for file in weights),
        config=_parse_file(name, table["config"]) if "config" in table else None,
        settings=settings[own] if isinstance(own, str) else own,
        stems=stems,
    )


def _parse_file(name: str, table: dict[str, str]) -> PublishedFile:
    optional = {"sha256", "part", "repo_id", "revision"}
    _check_keys(f"a file of {name}", table, {"file"}, optional)
    if not re.fullmatch(r"(?:[\w+-][\w.+-]*/)*[\w+-][\w.+-]*", table["file"], re.ASCII):
        raise ValueError(f"{name}: {table['file']!r} is no path of a file")
    if "sha256" in table and not re.fullmatch("[0-9a-f]{64}", table["sha256"]):
        raise ValueError(f"{name}: {table['sha256']!r} is no sha256")
    return PublishedFile(**table)


def _parse_score(
    what: str, stem: str, value: float, stems: tuple[str, ...], protocol: dict[str, str]
) -> PublishedScore:
    if stem != "all" and stem not in stems:
        raise ValueError(f"{what} has a score for {stem!r}, which is not a stem of the model")
    if not math.isfinite(value):
        raise ValueError(f"{what}: the score of {stem} is {value}")
    return PublishedScore(
        metric=protocol["metric"],
        value=float(value),
        stem=None if stem == "all" else stem,
        dataset=protocol["dataset"],
        protocol=protocol["protocol"],
        source=protocol["source"],
        short=protocol.get("short", protocol["id"]),
    )


def _check_keys(
    what: str,
    table: dict[str, Any],
    required: set[str],
    optional: frozenset[str] | set[str] = frozenset(),
) -> None:
    unknown = table.keys() - required - optional
    missing = required - table.keys()
    if unknown or missing:
        raise ValueError(f"{what}: unknown keys {sorted(unknown)}, missing keys {sorted(missing)}")
