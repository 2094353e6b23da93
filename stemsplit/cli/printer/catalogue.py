"""The tables of `stemsplit models`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from stemsplit.cli.bench_results import shown_speed
from stemsplit.cli.printer.command_events import ModelRow, ModelShown, ModelsListed
from stemsplit.cli.printer.console import say, stdout
from stemsplit.cli.printer.tables import print_facts, print_indented, print_table
from stemsplit.hub.catalog import DEFAULT_MODELS, CatalogEntry, Purpose, load_purposes
from stemsplit.hub.purposes import by_purpose, figure, purposes_of, shortlist

_USUAL_STEMS = {"drums", "bass", "other", "vocals"}
_STEM_COLUMNS = {False: 16, True: 13}
_MOST_ROWS = 15
"""Of a short list for one purpose. With what is said about it, it fits into 24 lines."""

Groups = Mapping[Purpose | None, Sequence[CatalogEntry]]


def print_models(listed: ModelsListed) -> None:
    """A row for each model, by what it is for, best first.

    A terminal has the best few, if nobody asked for all; a pipe has all.
    """
    is_terminal = stdout().is_terminal
    is_short = is_terminal and not listed.in_full
    rows = {row.entry.name: row for row in listed.rows}
    groups = _groups(listed, is_short=is_short)
    places = [(purpose, rows[entry.name]) for purpose in groups for entry in groups[purpose]]
    columns = _columns(places, is_short=is_short)
    words = ["" if purpose is None else purpose.name for purpose, _ in places]
    if not is_terminal:
        columns["for"] = [_words(row.entry) for _, row in places]
    elif listed.purpose is None:
        columns = {"for": words, **columns}
    left_out = print_table(
        list(columns),
        list(zip(*columns.values(), strict=True)),
        right=("MB", "Gop/s"),
        wraps=("here",) if is_short else ("stems", "here"),
        spare=("Gop/s", "licence", "speed", "MB", "SDR"),
        grouped=is_terminal and listed.purpose is None,
    )
    titles = [title for title in columns if title not in left_out]
    if is_short:
        _explain_shortly(len(listed.rows) - len(places), listed.purpose)
    else:
        _explain(titles, [row.entry for row in listed.rows], columns["SDR"])
        say("`stemsplit models show NAME` says more.")


def _groups(listed: ModelsListed, *, is_short: bool) -> Groups:
    entries = [row.entry for row in listed.rows]
    if listed.purpose is not None:
        return {listed.purpose: entries[: _MOST_ROWS if is_short else None]}
    return shortlist(entries) if is_short else by_purpose(entries)


def _columns(
    places: Sequence[tuple[Purpose | None, ModelRow]], *, is_short: bool
) -> dict[str, list[str]]:
    """The cells of each column, by its title."""
    rows = [row for _, row in places]
    columns = {
        "name": [row.entry.name for row in rows],
        "stems": [_stems(row.entry, _STEM_COLUMNS[is_short]) for row in rows],
        "SDR": [_figure(row.entry, purpose) for purpose, row in places],
        "MB": [_megabytes(row.entry) for row in rows],
        "Gop/s": [_operations(row.entry) for row in rows],
        "licence": [row.entry.licence.partition("-")[0] for row in rows],
    }
    if is_short:
        del columns["Gop/s"]
    elif any(row.measured for row in rows):
        columns["speed"] = [_speed(row) or "-" for row in rows]
    columns["here"] = [row.downloaded for row in rows]
    return columns


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
        "for": _words(entry),
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


def _explain_shortly(num_more: int, purpose: Purpose | None) -> None:
    """How to read the columns, in few lines, and how to see the rest."""
    say(
        "Usual 4: bass, drums, other, vocals. SDR: published, in dB; compare those with the same "
        "letter only. `stemsplit models show NAME` says how it was measured."
    )
    if purpose is None:
        first, *others = DEFAULT_MODELS.items()
        named = [f"`{task}` {names[0]}" for task, names in others]
        say(f"Without -m, {first[1][0]} runs; with {', '.join(named)}.")
        words = ", ".join(each.name for each in load_purposes())
        say(f"{num_more} more: `models list --all`, or --for one of {words}.")
    elif num_more:
        say(f"{num_more} more: add --all.")


def _explain(
    titles: Collection[str], entries: Sequence[CatalogEntry], figures: Sequence[str]
) -> None:
    """What stands in the columns with these titles."""
    say(f"Usual 4: {', '.join(sorted(_USUAL_STEMS))}.")
    if "SDR" in titles:
        say(
            "SDR: published, in dB, of all stems, or of that which the model is for. Compare only "
            "those with the same letter:"
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


def _words(entry: CatalogEntry) -> str:
    """What `--for` finds it by."""
    return ", ".join(purpose.name for purpose in purposes_of(entry))


def _stems(entry: CatalogEntry, columns: int) -> str:
    """The stems, in few columns; the usual four, which most models have, as a number."""
    if set(entry.stems) == _USUAL_STEMS:
        return "usual 4"
    others = [stem for stem in entry.stems if stem not in _USUAL_STEMS]
    if set(entry.stems) > _USUAL_STEMS:
        more = f"4, {', '.join(others)}"
        return more if len(more) <= columns else f"4, {others[0]}, +{len(others) - 1}"
    if all(stem.startswith("speaker") for stem in entry.stems):
        return f"{len(entry.stems)} speakers"
    stems = ", ".join(entry.stems)
    stems = stems.replace("instrumental", "instrum.").replace("accompaniment", "accomp.")
    if len(stems) > columns and len(entry.stems) > 2:
        first = 2 if len(", ".join(entry.stems[:2])) + 4 <= columns else 1
        return f"{', '.join(entry.stems[:first])}, +{len(entry.stems) - first}"
    return stems


def _protocols(entries: Collection[CatalogEntry]) -> dict[str, str]:
    """What the letters behind scores stand for."""
    said: dict[str, dict[str, str]] = {}
    for score in (score for entry in entries for score in entry.scores):
        said.setdefault(score.short, {}).setdefault(score.dataset, score.protocol)
    return {
        short: f"{' or '.join(of_data)}, {next(iter(of_data.values()))}"
        for short, of_data in said.items()
    }


def _megabytes(entry: CatalogEntry) -> str:
    return "-" if entry.size_bytes is None else f"{entry.size_bytes / 1e6:.0f}"


def _operations(entry: CatalogEntry) -> str:
    return "-" if entry.giga_operations is None else f"{entry.giga_operations:g}"


def _operations_clause(entry: CatalogEntry) -> str:
    if entry.giga_operations is None:
        return ""
    return f"; {entry.giga_operations:g} * 10^9 operations for a second of music"


def _figure(entry: CatalogEntry, purpose: Purpose | None) -> str:
    found = figure(entry, purpose)
    return "-" if found is None else f"{found[0]:.2f} {found[1]}"


def _print_scores(entry: CatalogEntry) -> None:
    if entry.trained_on_test_set:
        print_indented(
            "", "Trained on the MUSDB18 test set: scores on that set mean nothing for it."
        )
    if not entry.scores:
        print_indented("", "No published score could be traced to this very checkpoint.")
    if entry.score_note:
        print_indented("", entry.score_note)
    protocols: dict[tuple[str, str, str, str], list[str]] = {}
    for score in entry.scores:
        key = (score.metric, score.dataset, score.protocol, score.source)
        protocols.setdefault(key, []).append(f"{score.stem or 'all'} {score.value:.2f}")
    for (metric, dataset, protocol, origin), values in protocols.items():
        print_indented("", f"{metric} in dB on {dataset}: {', '.join(values)}")
        print_indented("    ", f"{protocol}; from {origin}")
