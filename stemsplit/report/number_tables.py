"""The numbers of stemsplit.json as tables, the models of a song side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from stemsplit.engine.checks import SignalCheck
from stemsplit.engine.record import ModelOrigin, Origin, TrackRecord
from stemsplit.hub.catalog import load_catalog
from stemsplit.quoting import counted
from stemsplit.report.markup import Cell, Html, bullets, clock, decibels, escape, isolated, table
from stemsplit.report.records import SeparatedTrack, SongRecords

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
    for label, track in zip(records.labels, records.tracks, strict=True):
        if track.suspicions:
            title = f"{_SUSPICIOUS}: {label}" if len(records.tracks) > 1 else _SUSPICIOUS
            parts.append(_alert("suspicion", title, track.suspicions))
        if track.record.warnings:
            title = f"Notes on {label}" if len(records.tracks) > 1 else "Notes"
            parts.append(_alert("note", title, track.record.warnings))
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
    first = records.tracks[0]
    parts = [clock(first.duration_seconds), f"{first.sample_rate / 1000:g} kHz"]
    start = first.record.excerpt.start_seconds
    if start or first.record.excerpt.end_seconds is not None:
        stop = start + first.duration_seconds
        parts[0] = f"{clock(start)} to {clock(stop)} of the song"
    models = ", ".join(isolated(label).markup for label in records.labels)
    return Html(" · ".join([*map(escape, parts), f"separated by {models}"]))


def _alert(kind: str, title: str, texts: tuple[str, ...]) -> str:
    return f'<div class="alert {kind}"><p>{escape(title)}</p>{bullets(texts)}</div>\n'


def _levels(records: SongRecords) -> str:
    several = len(records.tracks) > 1
    rows: list[list[Cell]] = []
    checks = records.tracks[0].record.checks
    if checks is not None and checks.mixture != SignalCheck():
        mixture = checks.mixture
        rows.append(["Original", *([None] if several else []), *_level_cells(mixture), None])
    names = dict.fromkeys(out.name for track in records.tracks for out in track.outputs)
    for name in names:
        for label, track in zip(records.labels, records.tracks, strict=True):
            for output in track.outputs:
                if output.name == name:
                    cells = _level_cells(_check(track, name))
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
    lowered = any(track.gain_db for track in records.tracks)
    caption = "Levels, before all stems were lowered" if lowered else "Levels"
    return table(caption, headings, rows, kind="levels")


def _check(track: SeparatedTrack, name: str) -> SignalCheck | None:
    return None if track.record.checks is None else track.record.checks.stems.get(name)


def _level_cells(check: SignalCheck | None) -> list[Cell]:
    if check is None:
        return [None, None, None]
    loudness = "silent" if check.silent else decibels(check.loudness_lufs, "LUFS")
    num_clipped = f"{check.num_clipped:,}" if check.num_clipped else "none"
    return [loudness, decibels(check.peak_dbfs, "dBFS"), num_clipped]


def _likeness(records: SongRecords) -> str:
    checks = [track.record.checks for track in records.tracks]
    found = [{} if each is None else each.correlation for each in checks]
    pairs = dict.fromkeys(pair for correlation in found for pair in correlation)
    if not pairs:
        return ""
    rows: list[list[Cell]] = [
        [isolated(pair.replace("+", " and ")), *(_ratio(each.get(pair)) for each in found)]
        for pair in pairs
    ]
    headings = ["Stems", *(_value_headings(records, "Correlation"))]
    return table("How alike the stems are: 0 not at all, ±1 the same sound", headings, rows)


def _ratio(ratio: float | None) -> str | None:
    return None if ratio is None else f"{ratio:+.2f}".replace("-", "−")


def _facts(records: SongRecords) -> str:
    columns = [_fact_cells(track) for track in records.tracks]
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    rows = rows[1:] if len(columns) > 1 else rows  # then the models are in the head
    return table("How it was separated", ["", *_value_headings(records, "")], rows)


def _fact_cells(track: SeparatedTrack) -> dict[str, Cell]:
    record = track.record
    model = record.model
    revision = model.revision if isinstance(model, ModelOrigin) else None
    return {
        "Model": isolated(model.name),
        "From": isolated("; ".join(part.origin or "not known" for part in model.parts)),
        "Revision": None if revision is None else Html(f"<code>{escape(revision[:12])}</code>"),
        "Licence of the weights": _licences(model),
        "Then": _steps(record),
        "Left over by the stems": decibels(record.residual_db, "dB of the mixture"),
        "Level of all stems": decibels(track.gain_db, signed=True)
        if track.gain_db
        else "unchanged",
        "Computed": _speed(track),
        "Sample rate": f"{track.sample_rate} Hz",
        "Length": f"{clock(track.duration_seconds)} ({counted(track.num_samples, 'sample')})",
        "stemsplit": record.stemsplit,
    }


def _licences(model: Origin) -> Cell:
    if isinstance(model, ModelOrigin):
        return _licence(model.name, model.licence)
    return "; ".join(f"{part.name}: {part.licence or 'unknown'}" for part in model.parts)


def _steps(record: TrackRecord) -> Cell:
    """Which stems went through models of their own."""
    named = [f"{step.parent} by {step.model.name}" for step in record.then]
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


def _speed(track: SeparatedTrack) -> str | None:
    seconds = track.record.measured.seconds
    where = ", ".join(filter(None, [track.record.device, track.record.precision]))
    if not seconds or seconds < 0:
        return where or None
    factor = track.duration_seconds / seconds
    return f"in {seconds:.1f} s, {factor:.1f} × real time" + (f" ({where})" if where else "")


def _value_headings(records: SongRecords, title: str) -> list[str]:
    return list(records.labels) if len(records.tracks) > 1 else [title]


def _megabytes(num_bytes: int | None) -> str | None:
    return None if num_bytes is None else f"{num_bytes / 1e6:.1f} MB"


def _raw(records: SongRecords, *, private: bool) -> str:
    parts = []
    for label, track in zip(records.labels, records.tracks, strict=True):
        raw = dict(track.record.raw)
        if private and isinstance(raw.get("input"), Mapping):
            raw["input"] = _without_folders(raw["input"])
        body = json.dumps(raw, indent=2, ensure_ascii=False)
        lines = "\n".join(escape(line) for line in body.splitlines())
        parts.append(
            f"<details><summary>stemsplit.json of {isolated(label).markup}</summary>"
            f'<pre tabindex="0">{lines}</pre></details>\n'
        )
    return "".join(parts)


def _without_folders(described: Mapping[str, Any]) -> dict[str, Any]:
    """Which song it was, but not where on its owner's disk."""
    named = dict(described)
    for key in ("path", "sheet"):
        if isinstance(named.get(key), str):
            named[key] = PurePath(named[key]).name
    if isinstance(named.get("track"), Mapping):
        named["track"] = _without_folders(named["track"])
    return named
