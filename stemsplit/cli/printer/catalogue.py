"""The tables of `stemsplit models`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from stemsplit.cli.bench_results import shown_speed
from stemsplit.cli.printer.command_events import ModelRow, ModelShown, ModelsListed
from stemsplit.cli.printer.console import say
from stemsplit.cli.printer.tables import print_facts, print_indented, print_table
from stemsplit.hub.catalog import CatalogEntry

_USUAL_STEMS = {"drums", "bass", "other", "vocals"}
_MOST_USED = "S"
_STEM_COLUMNS = 16


def print_models(listed: ModelsListed) -> None:
    """A row for each model; of those columns that the terminal has room for, what they mean."""
    rows = listed.rows
    entries = [row.entry for row in rows]
    columns: dict[str, list[str]] = {
        "name": [entry.name for entry in entries],
        "stems": [_stems(entry) for entry in entries],
        "SDR": [_headline(entry) for entry in entries],
        "MB": [_megabytes(entry) for entry in entries],
        "Gop/s": [_operations(entry) for entry in entries],
        "licence": [entry.licence.partition("-")[0] for entry in entries],
    }
    if any(row.measured for row in rows):
        columns["speed"] = [_speed(row) or "-" for row in rows]
    columns["here"] = [row.downloaded for row in rows]
    left_out = print_table(
        list(columns),
        list(zip(*columns.values(), strict=True)),
        right=("MB", "Gop/s"),
        wraps=("stems", "here"),
        spare=("Gop/s", "licence", "speed", "MB", "SDR"),
    )
    _explain([title for title in columns if title not in left_out], entries, columns["SDR"])
    say("`stemsplit models show NAME` says more.")


def print_model(model: ModelShown) -> None:
    """A line for each thing that is known about it."""
    row, entry = model.row, model.row.entry
    facts = {
        "name": " or ".join((entry.name, *entry.aliases)),
        "what": entry.description,
        "stems": ", ".join(entry.stems),
        "stems of a stem": ", ".join(
            f"{child} ({stem})" for stem, child in entry.child_names.items()
        ),
        "family": entry.family,
        "from": entry.origin,
        "size": _size(entry),
        "cost": entry.cost + _operations_clause(entry),
        "speed here": _speed(row) or "not measured: `stemsplit bench`",
        "downloaded": row.downloaded,
        "licence of weights": entry.licence,
        "": entry.licence_note,
    }
    if entry.unverified:
        facts["not verified"] = "Where its files are is hearsay: they may not be there."
    if not entry.child_names:
        del facts["stems of a stem"]
    print_facts(facts, width=20)
    _print_scores(entry)


def _explain(
    titles: Collection[str], entries: Sequence[CatalogEntry], figures: Sequence[str]
) -> None:
    """What stands in the columns with these titles."""
    say(f"Usual 4: {', '.join(sorted(_USUAL_STEMS))}.")
    if "SDR" in titles:
        say(
            "SDR: published, in dB, of all stems or else of the first. Compare only those with the "
            "same letter:"
        )
        shown = {figure[-1] for figure in figures}
        for short, dataset in _protocols(entries).items():
            if short in shown:
                say(f"    {short}  {dataset}")
    if "Gop/s" in titles:
        say("Gop/s: 10^9 operations for a second of music.")
    if "licence" in titles:
        say("Licence: of the weights; `stated` is permissive by the repository's word.")
    if "speed" in titles:
        say("Speed: x real time on the fastest device that `stemsplit bench` has measured.")


def _speed(row: ModelRow) -> str:
    """How fast the model runs on the fastest device, empty if that was never measured."""
    return shown_speed(row.measured.realtime_factor) if row.measured else ""


def _size(entry: CatalogEntry) -> str:
    if entry.size_bytes is None:
        return "unknown"
    return f"about {entry.size_bytes / 1e6:.0f} MB" if entry.size_bytes else "0"


def _stems(entry: CatalogEntry) -> str:
    """The stems, in few columns; the usual four, which most models have, as a number."""
    if set(entry.stems) == _USUAL_STEMS:
        return "usual 4"
    if set(entry.stems) > _USUAL_STEMS:
        return f"4, {', '.join(stem for stem in entry.stems if stem not in _USUAL_STEMS)}"
    if all(stem.startswith("speaker") for stem in entry.stems):
        return f"{len(entry.stems)} speakers"
    stems = ", ".join(entry.stems)
    stems = stems.replace("instrumental", "instrum.").replace("accompaniment", "accomp.")
    if len(stems) > _STEM_COLUMNS and len(entry.stems) > 2:
        return f"{', '.join(entry.stems[:2])}, +{len(entry.stems) - 2}"
    return stems


def _protocols(entries: Collection[CatalogEntry]) -> dict[str, str]:
    """What the letters behind scores stand for."""
    return {
        score.short: f"{score.dataset}, {score.protocol}"
        for entry in entries
        for score in entry.scores
    }


def _megabytes(entry: CatalogEntry) -> str:
    return "-" if entry.size_bytes is None else f"{entry.size_bytes / 1e6:.0f}"


def _operations(entry: CatalogEntry) -> str:
    return "-" if entry.giga_operations is None else f"{entry.giga_operations:g}"


def _operations_clause(entry: CatalogEntry) -> str:
    if entry.giga_operations is None:
        return ""
    return f"; {entry.giga_operations:g} * 10^9 operations for a second of music"


def _headline(entry: CatalogEntry) -> str:
    """The figure that most models have one of: for all stems, or for the first one."""
    shorts = sorted({score.short for score in entry.scores}, key=lambda short: short != _MOST_USED)
    for short in shorts:
        values = {score.stem: score.value for score in entry.scores if score.short == short}
        if None not in values and set(entry.stems) <= values.keys():
            values[None] = sum(values[stem] for stem in entry.stems) / len(entry.stems)
        for stem in (None, entry.stems[0]):
            if stem in values:
                return f"{values[stem]:.2f} {short}"
    return "-"


def _print_scores(entry: CatalogEntry) -> None:
    if entry.trained_on_test_set:
        print_indented(
            "", "Trained on the MUSDB18 test set: scores on that set mean nothing for it."
        )
    if not entry.scores:
        print_indented("", "No published score could be traced to this very checkpoint.")
    protocols: dict[tuple[str, str, str, str], list[str]] = {}
    for score in entry.scores:
        key = (score.metric, score.dataset, score.protocol, score.source)
        protocols.setdefault(key, []).append(f"{score.stem or 'all'} {score.value:.2f}")
    for (metric, dataset, protocol, origin), values in protocols.items():
        print_indented("", f"{metric} in dB on {dataset}: {', '.join(values)}")
        print_indented("    ", f"{protocol}; from {origin}")
