"""`--json`: events as lines on stdout, one JSON object each; ../README.md says what they mean."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stemsplit.cli.bench_results import MeasurementFailed
from stemsplit.cli.flags import in_flags
from stemsplit.cli.printer import command_events as events
from stemsplit.cli.printer.json_forms import FORMS, Form
from stemsplit.cli.printer.person import PersonPrinter
from stemsplit.engine.note import Note
from stemsplit.hub.purposes import purposes_of

SCHEMA = 1

_WORDS = {"message", "error", "warnings", "fix"}
"""Fields that hold words of the library, where arguments become flags, as on stderr."""

_ALSO_IN_WORDS = (Note, events.PageWritten, MeasurementFailed, events.Examined)


class JsonPrinter:
    """Prints each event that has a form, and on stderr what nobody must miss."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self._quiet = quiet
        self._stderr = PersonPrinter(quiet=True, verbose=verbose)
        self._steps: dict[tuple[object, ...], int] = {}

    def show(self, event: object) -> None:
        if isinstance(event, events.Remark):
            if self._quiet:
                return
            event = Note(event.message)
        if isinstance(event, _ALSO_IN_WORDS):
            self._stderr.show(event)
        if isinstance(event, events.ModelsListed):
            _print_document([_model(row) for row in event.rows])
        elif isinstance(event, events.ModelShown):
            _print_document(_model(event.row))
        for form in (form for form in FORMS if form.event is type(event)):
            for values in form.values(event):
                line = dict(zip(form.fields.split(), values, strict=True))
                if self._is_due(form, line):
                    _print_line(form.name, line)

    def _is_due(self, form: Form, line: dict[str, Any]) -> bool:
        """Whether the line is a step further than the last one of the same, if steps count."""
        subject = tuple(value for name, value in line.items() if name != "share")
        key = form.name, *subject
        if form.name == "start":  # again, in another round
            self._steps.pop(("progress", *subject), None)
        if not form.steps:
            return True
        step = int(form.steps * (line["share"] or 0))
        if step <= self._steps.get(key, -1):
            return False
        self._steps[key] = step
        return True


def _print_line(name: str, values: dict[str, Any]) -> None:
    head = {"schema": SCHEMA, **({"event": name, "time": time.time()} if name else {})}
    values = {key: _in_flags(each) if key in _WORDS else each for key, each in values.items()}
    sys.stdout.write(json.dumps({**head, **values}, default=_absolute) + "\n")
    sys.stdout.flush()


def _in_flags(words: Any) -> Any:
    if isinstance(words, list):
        return [in_flags(each) for each in words]
    return in_flags(words) if isinstance(words, str) else words


def _absolute(path: Path) -> str:
    return str(path.absolute())


def _model(row: events.ModelRow) -> dict[str, Any]:
    measured = row.measured and row.measured.as_json()
    known = asdict(row.entry)
    for score in known["scores"]:
        del score["rank"]  # it changes whenever the catalogue has another protocol
    purposes = [purpose.name for purpose in purposes_of(row.entry)]
    return {**known, "measured": measured, "downloaded": row.downloaded, "purposes": purposes}


def _print_document(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
