"""The models that are known by name, read from `catalog.toml`."""

from __future__ import annotations

import difflib
import functools
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any, Literal, get_args

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]

Licence = Literal["permissive-confirmed", "stated-permissive", "restricted", "unknown"]
"""What is known about the licence of the weights (not of the code)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """One published figure, in dB; `stem` None is the source's own figure for all stems."""

    metric: str
    value: float
    stem: str | None
    dataset: str
    protocol: str
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogEntry:
    """What is known about a model before any of its files is on the disk.

    `repo_id` None: built in, no files. `size_bytes`: approximate, None when not known.
    """

    name: str
    description: str
    family: str
    repo_id: str | None
    revision: str
    stems: tuple[str, ...]
    size_bytes: int | None
    cost: str
    licence: Licence
    licence_note: str
    trained_on_test_set: bool
    scores: tuple[Score, ...]


@functools.cache
def load_catalog() -> Mapping[str, CatalogEntry]:
    """Every entry by its name, in the order in which the catalogue lists them."""
    text = resources.files("stemsplit.hub").joinpath("catalog.toml").read_text(encoding="utf-8")
    return MappingProxyType(parse_catalog(text))


def list_models() -> list[str]:
    """The names of all models in the catalogue, the default first."""
    return list(load_catalog())


def suggest_names(name: str) -> list[str]:
    """Up to three names in the catalogue that `name` may have been meant to be, best first."""
    # HTDemucs-ft is how the Hub spells htdemucs_ft
    spelling = name.lower().replace("-", "_")
    return difflib.get_close_matches(spelling, load_catalog(), n=3, cutoff=0.6)


def parse_catalog(text: str) -> dict[str, CatalogEntry]:
    """The entries in a catalogue's TOML text, by name.

    Raises:
        ValueError: a key is unknown, is missing or has a value that makes no sense. The catalogue
            is part of the program, so this is a mistake of ours and not the user's.
    """
    document = tomllib.loads(text)
    _check_keys("the catalogue", document, required={"models", "protocols", "licences"})
    protocols = {}
    for protocol in document["protocols"]:
        _check_keys("a protocol", protocol, {"id", "metric", "dataset", "protocol", "source"})
        protocols[protocol["id"]] = protocol
    licences = {}
    for licence in document["licences"]:
        _check_keys("a licence", licence, {"id", "label", "note"})
        if licence["label"] not in get_args(Licence):
            raise ValueError(f"licence {licence['id']} has the unknown label {licence['label']!r}")
        licences[licence["id"]] = licence
    return {
        name: _parse_entry(name, table, protocols=protocols, licences=licences)
        for name, table in document["models"].items()
    }


def _parse_entry(
    name: str,
    table: dict[str, Any],
    *,
    protocols: dict[str, dict[str, str]],
    licences: dict[str, dict[str, Any]],
) -> CatalogEntry:
    required = {"description", "family", "stems", "cost", "licence", "trained_on_test_set"}
    optional = {"repo_id", "revision", "size_bytes", "scores"}
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
        revision=table.get("revision", "main"),
        stems=stems,
        size_bytes=table.get("size_bytes"),
        cost=table["cost"],
        licence=licence["label"],
        licence_note=licence["note"],
        trained_on_test_set=table["trained_on_test_set"],
        scores=tuple(
            _parse_score(f"{name}: {protocol}", stem, value, stems, protocols[protocol])
            for protocol, values in table.get("scores", {}).items()
            for stem, value in values.items()
        ),
    )


def _parse_score(
    what: str, stem: str, value: float, stems: tuple[str, ...], protocol: dict[str, str]
) -> Score:
    if stem != "all" and stem not in stems:
        raise ValueError(f"{what} has a score for {stem!r}, which is not a stem of the model")
    if not math.isfinite(value):
        raise ValueError(f"{what}: the score of {stem} is {value}")
    return Score(
        metric=protocol["metric"],
        value=float(value),
        stem=None if stem == "all" else stem,
        dataset=protocol["dataset"],
        protocol=protocol["protocol"],
        source=protocol["source"],
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
