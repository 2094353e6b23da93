"""The numbers of stemsplit.json as tables, the models of a song side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stemsplit.hub.catalog import load_catalog
from stemsplit.quoting import counted
from stemsplit.report.markup import Cell, Html, bullets, clock, decibels, escape, isolated, table
from stemsplit.report.records import SongRecords, TrackRecord, Values, dig, number, text, whole

_LICENCES = {
    "permissive-confirmed": "permissive",
    "stated-permissive": "stated to be permissive",
    "restricted": "restricted",
    "unknown": "unknown",
}

_SUSPICIOUS = "This separation has probably failed"


def alerts(records: SongRecords, notes: tuple[str, ...]) -> str:
    """What a listener must know first: suspicions, then warnings and what the page lacks."""
    parts = []
    for label, record in zip(records.labels, records.records, strict=True):
        if record.suspicions:
            title = f"{_SUSPICIOUS}: {label}" if len(records.records) > 1 else _SUSPICIOUS
            parts.append(_alert("suspicion", title, record.suspicions))
        if record.warnings:
            title = f"Notes on {label}" if len(records.records) > 1 else "Notes"
            parts.append(_alert("note", title, record.warnings))
    if notes:
        parts.append(_alert("note", "Not on this page", notes))
    return "".join(parts)


def numbers(records: SongRecords, *, private: bool) -> str:
    """All tables. `private`: without the folder that the song is in."""
    sides = (_levels(records) + _likeness(records), _facts(records))
    tables = "".join(f"<div>\n{side}</div>\n" for side in sides)
    return f'<div class="tables">\n{tables}</div>\n' + _raw(records, private=private)


def subtitle(records: SongRecords) -> Html:
    """One line on the song and how it was separated."""
    first = records.records[0]
    parts = [clock(first.duration_seconds), f"{first.sample_rate / 1000:g} kHz"]
    if first.start_seconds or first.end_seconds is not None:
        stop = first.start_seconds + first.duration_seconds
        parts[0] = f"{clock(first.start_seconds)} to {clock(stop)} of the song"
    models = ", ".join(isolated(label).markup for label in records.labels)
    return Html(" · ".join([*map(escape, parts), f"separated by {models}"]))


def _alert(kind: str, title: str, texts: tuple[str, ...]) -> str:
    return f'<div class="alert {kind}"><p>{escape(title)}</p>{bullets(texts)}</div>\n'


def _levels(records: SongRecords) -> str:
    several = len(records.records) > 1
    rows: list[list[Cell]] = []
    mixture = dig(records.records[0].checks, "mixture")
    if mixture:
        rows.append(["Original", *([None] if several else []), *_level_cells(mixture), None])
    names = dict.fromkeys(out.name for record in records.records for out in record.outputs)
    for name in names:
        for label, record in zip(records.labels, records.records, strict=True):
            for output in record.outputs:
                if output.name == name:
                    cells = _level_cells(dig(record.checks, "stems", name))
                    size = _megabytes(output.num_bytes)
                    rows.append(
                        [isolated(name), *([isolated(label)] if several else []), *cells, size]
                    )
    headings = [
        "Stem",
        *(["Model"] if several else []),
        "Loudness",
        "Peak",
        "Clipped samples",
        "File",
    ]
    lowered = any(record.gain_db for record in records.records)
    caption = "Levels, before all stems were lowered" if lowered else "Levels"
    return table(caption, headings, rows, kind="levels")


def _level_cells(check: Mapping[str, Any]) -> list[Cell]:
    num_clipped = whole(check.get("num_clipped"))
    cells: list[Cell] = [
        decibels(number(check.get("loudness_lufs")), "LUFS"),
        decibels(number(check.get("peak_dbfs")), "dBFS"),
        None if num_clipped is None else f"{num_clipped:,}" if num_clipped else "none",
    ]
    if check.get("silent") is True:
        cells[0] = "silent"
    return cells


def _likeness(records: SongRecords) -> str:
    found = [dig(record.checks, "correlation") for record in records.records]
    pairs = dict.fromkeys(pair for correlation in found for pair in correlation)
    if not pairs:
        return ""
    rows: list[list[Cell]] = [
        [isolated(pair.replace("+", " and ")), *(_ratio(each.get(pair)) for each in found)]
        for pair in pairs
    ]
    headings = ["Stems", *(_value_headings(records, "Correlation"))]
    return table("How alike the stems are: 0 not at all, ±1 the same sound", headings, rows)


def _ratio(value: object) -> str | None:
    ratio = number(value)
    return None if ratio is None else f"{ratio:+.2f}".replace("-", "−")


def _facts(records: SongRecords) -> str:
    columns = [_fact_cells(record) for record in records.records]
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    rows = rows[1:] if len(columns) > 1 else rows  # then the models are in the head
    return table("How it was separated", ["", *_value_headings(records, "")], rows)


def _fact_cells(record: TrackRecord) -> dict[str, Cell]:
    model = dig(record.raw, "model")
    revision = text(model.get("revision"))
    origins = [text(part.get("origin")) or "not known" for part in _parts(model)]
    return {
        "Model": isolated(record.model),
        "From": isolated("; ".join(origins)),
        "Revision": None if revision is None else Html(f"<code>{escape(revision[:12])}</code>"),
        "Licence of the weights": _licences(record.model, model),
        "Then": _steps(record),
        "Left over by the stems": decibels(record.residual_db, "dB of the mixture"),
        "Level of all stems": decibels(record.gain_db, signed=True)
        if record.gain_db
        else "unchanged",
        "Computed": _speed(record),
        "Sample rate": f"{record.sample_rate} Hz",
        "Length": f"{clock(record.duration_seconds)} ({counted(record.num_samples, 'sample')})",
        "stemsplit": text(record.raw.get("stemsplit")),
    }


def _parts(model: Values) -> list[Values]:
    """The models of an ensemble, or the one model."""
    parts = model.get("parts")
    return (
        [part for part in parts if isinstance(part, Mapping)]
        if isinstance(parts, list)
        else [model]
    )


def _licences(name: str, model: Values) -> Cell:
    parts = _parts(model)
    if len(parts) == 1:
        return _licence(name, text(model.get("licence")))
    labels = [text(part.get("licence")) or "unknown" for part in parts]
    names = [text(part.get("name")) or "unknown" for part in parts]
    return "; ".join(f"{each}: {label}" for each, label in zip(names, labels, strict=True))


def _steps(record: TrackRecord) -> Cell:
    """Which stems went through models of their own."""
    steps = record.raw.get("then")
    named = [
        f"{text(step.get('parent'))} by {text(dig(step, 'model').get('name'))}"
        for step in (steps if isinstance(steps, list) else ())
        if isinstance(step, Mapping)
    ]
    return isolated(", ".join(named)) if named else None


def _licence(model: str, licence: str | None) -> Cell:
    if licence is None:
        return None
    named = _LICENCES.get(licence, licence)
    entry = load_catalog().get(model)
    note = entry.licence_note if entry is not None and entry.licence == licence else ""
    if not note:
        return named
    return Html(f'{escape(named)}<br><small class="remark">{escape(note)}</small>')


def _speed(record: TrackRecord) -> str | None:
    device, precision = text(record.raw.get("device")), text(record.raw.get("precision"))
    seconds = number(dig(record.raw, "measured").get("seconds"))
    where = ", ".join(filter(None, [device, precision]))
    if not seconds or seconds < 0:
        return where or None
    factor = record.duration_seconds / seconds
    return f"in {seconds:.1f} s, {factor:.1f} × real time" + (f" ({where})" if where else "")


def _value_headings(records: SongRecords, title: str) -> list[str]:
    return list(records.labels) if len(records.records) > 1 else [title]


def _megabytes(num_bytes: int | None) -> str | None:
    return None if num_bytes is None else f"{num_bytes / 1e6:.1f} MB"


def _raw(records: SongRecords, *, private: bool) -> str:
    parts = []
    for label, record in zip(records.labels, records.records, strict=True):
        raw = dict(record.raw)
        if private and record.input_path is not None:
            raw["input"] = _without_folders(dig(raw, "input"), record.input_path)
        body = json.dumps(raw, indent=2, ensure_ascii=False)
        lines = "\n".join(escape(line) for line in body.splitlines())
        parts.append(
            f"<details><summary>stemsplit.json of {isolated(label).markup}</summary>"
            f'<pre tabindex="0">{lines}</pre></details>\n'
        )
    return "".join(parts)


def _without_folders(described: Values, path: Path) -> dict[str, Any]:
    """Which song it was, but not where on its owner's disk."""
    track = dig(described, "track")
    sheet = text(track.get("sheet"))
    names = {"path": path.name}
    if sheet is None:
        return {**described, **names}
    return {**described, **names, "track": {**track, "sheet": Path(sheet).name}}
