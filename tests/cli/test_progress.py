"""The line that says how far a run is."""

from __future__ import annotations

import pytest

from stemsplit.cli.printer.progress import PlainLines
from stemsplit.cli.printer.progress_line import Pace
from stemsplit.stages import Stage


def pace(total: float, *, started: float = 0.0) -> Pace:
    pace = Pace(total)
    pace._started = pace._reported = started
    return pace


def test_nothing_is_known_before_something_is_done() -> None:
    assert pace(30).position(5.0) is None


def test_it_moves_between_two_reports_and_never_further_than_the_last_one_brought() -> None:
    line = pace(30)
    line.add(10, 2.0, is_work=True)  # the first of three chunks
    positions = [line.position(now) for now in (2.0, 3.0, 4.0, 9.0)]
    assert positions == [10, 15, 20, 20]
    line.add(10, 5.0, is_work=True)
    assert line.position(5.0) == 20
    assert line.speed == pytest.approx(4.0)
    line.add(10, 8.0, is_work=True)
    assert line.position(100.0) == 30


def test_songs_that_are_skipped_say_nothing_about_the_speed() -> None:
    line = pace(1000)
    for _ in range(90):
        line.add(10, 0.1, is_work=False)
    assert line.position(0.1) == 900
    line.add(10, 5.0, is_work=True)
    assert line.speed == pytest.approx(2.0)


def test_logs_say_each_stage_once(capsys: pytest.CaptureFixture[str]) -> None:
    lines = PlainLines()
    for num_done in range(0, 84_000_001, 21_000_000):
        lines.show(Stage(kind="fetching", name="x.th", num_done=num_done, num_total=84_000_000))
    lines.show(Stage(kind="fetching", name="small.yaml", num_total=200))
    lines.show(Stage(kind="loading", name="htdemucs"))
    lines.show(Stage(kind="scanning", name="song.mp3", num_done=5, num_total=10))
    assert capsys.readouterr().err.splitlines() == [
        "Fetching x.th (84 MB)",
        "Fetching small.yaml",
        "Loading htdemucs",
    ]
