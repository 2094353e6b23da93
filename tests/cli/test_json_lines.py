"""`--json` keeps to what its documentation says."""

from __future__ import annotations

import ast
import inspect
import json
import shutil
from pathlib import Path

import pytest

from stemsplit.batch import events as batch_events
from stemsplit.batch.lock import track_lock
from stemsplit.cli.printer import command_events, person, progress
from stemsplit.cli.printer.json_forms import FORMS
from stemsplit.cli.printer.json_lines import SCHEMA, JsonPrinter
from stemsplit.evaluate import evaluation_events
from stemsplit.evaluate.evaluation_events import SystemProgressed, SystemStarted
from tests.cli.conftest import Stemsplit
from tests.cli.documentation import documented_events


def events_of(stdout: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in stdout.splitlines()]


def test_the_documentation_has_every_event_with_its_fields_in_their_order() -> None:
    assert documented_events() == {(form.name, tuple(form.fields.split())) for form in FORMS}


def test_every_event_is_shown_to_somebody() -> None:
    parts = {"StemScore", "ModelRow"}
    shown = {form.event.__name__ for form in FORMS}
    for module in (person, progress):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.MatchClass):
                shown.add(ast.unparse(node.cls).rpartition(".")[2])
    for module in (command_events, batch_events, evaluation_events):
        classes = inspect.getmembers(module, inspect.isclass)
        own = {name for name, each in classes if each.__module__ == module.__name__}
        assert own - parts <= shown


def test_progress_is_told_once_for_each_percent_and_anew_after_a_start(
    capsys: pytest.CaptureFixture[str],
) -> None:
    printer = JsonPrinter()
    for _ in range(2):
        printer.show(SystemStarted("song", "model"))
        for number in range(1025):
            printer.show(SystemProgressed("song", "model", number / 1024))
            printer.show(SystemProgressed("other", "model", number / 1024))
    shares = [
        event.get("share")
        for event in events_of(capsys.readouterr().out)
        if event["track"] == "song"
    ]
    assert [index for index, share in enumerate(shares) if share is None] == [0, 102]
    assert shares[1:102] == shares[103:]


def test_every_line_has_the_documented_fields(
    stemsplit: Stemsplit, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stemsplit.batch.local._POLL_SECONDS", 0)
    shutil.copy(song, "other.wav")
    Path("notes.txt").write_text("no music")
    Path("broken.mp3").write_text("no music")
    arguments = (song.parent, "-m", "spectral", "-o", "out", "--json")
    lines = events_of(stemsplit(*arguments, "--dry-run").stdout)
    lines += events_of(stemsplit(song, *arguments[1:], "--report").stdout)
    lock = track_lock(Path("out/spectral/other/stemsplit.json"))
    lock.__enter__()
    monkeypatch.setattr("stemsplit.batch.local.time.sleep", lambda _: lock.__exit__(*[None] * 3))
    result = stemsplit(*arguments)
    lines += events_of(result.stdout)
    assert result.exit_code == 1
    documented = documented_events()
    for line in lines:
        assert line["schema"] == SCHEMA
        assert isinstance(line["time"], float)
        assert tuple(line)[:3] == ("schema", "event", "time")
        assert (line["event"], tuple(line)[3:]) in documented
    assert {line["event"] for line in lines} == {
        *("note", "stage", "start", "progress", "busy", "done", "skipped", "failed", "summary"),
        *("planned", "plan", "page"),
    }
    (plan,) = [line for line in lines if line["event"] == "plan"]
    assert plan | {"new": 2, "redo": 0, "skip": 0, "fail": 1, "duration_seconds": 1.0} == plan
    summary = lines[-1]
    assert summary | {"done": 1, "redone": 0, "skipped": 1, "failed": 1} == summary
    order = [
        line["event"] for line in lines if line.get("input") == str(Path("other.wav").absolute())
    ]
    order = [event for event in order if event not in ("progress", "stage")]
    assert order == ["planned", "busy", "start", "done"]
