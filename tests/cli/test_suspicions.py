"""Songs that were separated, and probably not well, are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from stemsplit.evaluate.demo_song import make_demo_song
from tests.audio.songs import write_sndfile
from tests.cli.conftest import Stemsplit

REASON = "bass and other are nearly the same (correlation 1.00)."


@pytest.fixture(scope="module")
def song() -> Tensor:
    return torch.stack(list(make_demo_song(duration_seconds=2).values())).sum(dim=0)


@pytest.fixture
def songs(workplace: Path, song: Tensor) -> Path:
    """A song, and a tone of 210 Hz, which the built-in model splits over two stems."""
    folder = workplace / "songs"
    folder.mkdir()
    tone = 0.3 * torch.sin(0.03 * torch.arange(88_200)).expand(2, -1)
    write_sndfile(folder / "fine.wav", song.numpy())
    write_sndfile(folder / "[odd].wav", tone.numpy())
    return folder


def test_songs_that_probably_failed_are_named_at_once_and_at_the_end(
    stemsplit: Stemsplit, songs: Path
) -> None:
    arguments = (songs, "-m", "spectral", "-o", "out")
    result = stemsplit(*arguments)
    assert result.exit_code == 0
    odd = f"{songs / '[odd].wav'}: {REASON}"
    assert result.stderr.splitlines().count(f"Probably failed: {odd}") == 1
    end = result.stderr.splitlines()[-3:]
    assert end == ["2 done, 0 skipped, 0 failed.", "1 of 2 songs probably failed:", f"  {odd}"]
    # The next run knows of it from the record.
    again = stemsplit(*arguments)
    assert again.stderr.splitlines()[-3:] == [
        "0 done, 2 skipped, 0 failed.",
        "1 of 2 songs probably failed:",
        f"  {odd}",
    ]
    assert "Probably failed" not in again.stderr


def test_quiet_still_says_what_probably_failed(stemsplit: Stemsplit, songs: Path) -> None:
    result = stemsplit(songs, "-m", "spectral", "-q")
    assert result.stderr.splitlines() == [f"Probably failed: {songs / '[odd].wav'}: {REASON}"]


def test_records_and_events_have_the_checks(stemsplit: Stemsplit, songs: Path) -> None:
    result = stemsplit(songs, "-m", "spectral", "-o", "out", "--json")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    done = {Path(event["input"]).stem: event for event in events if event["event"] == "done"}
    for name, event in done.items():
        record = json.loads(Path(f"out/spectral/{name}/stemsplit.json").read_text())
        assert record["checks"] == event["checks"]
        assert set(record["checks"]["stems"]) == {"drums", "bass", "other", "vocals"}
        assert record["warnings"] == event["warnings"] == []
    assert done["fine"]["checks"]["suspicions"] == []
    assert done["[odd]"]["checks"]["suspicions"] == [REASON]
    assert events[-1]["suspicious"] == [str(songs / "[odd].wav")]


def test_records_without_checks_are_of_finished_songs(stemsplit: Stemsplit, songs: Path) -> None:
    arguments = (songs, "-m", "spectral", "-o", "out", "--json")
    stemsplit(*arguments)
    for path in Path("out").rglob("stemsplit.json"):
        record = json.loads(path.read_text())
        del record["checks"]  # as version 0.2.0 wrote them
        path.write_text(json.dumps(record))
    events = [json.loads(line) for line in stemsplit(*arguments).stdout.splitlines()]
    assert [event["event"] for event in events] == ["skipped", "skipped", "summary"]
    assert [event["checks"] for event in events[:2]] == [None, None]
    assert events[-1]["suspicious"] == []


@pytest.mark.parametrize("checks", [None, [], "text", {"suspicions": "text"}, {"suspicions": [1]}])
def test_a_record_that_someone_has_edited_does_no_harm(
    stemsplit: Stemsplit, songs: Path, checks: object
) -> None:
    arguments = (songs / "fine.wav", "-m", "spectral", "-o", "out")
    stemsplit(*arguments)
    path = Path("out/spectral/fine/stemsplit.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "checks": checks}))
    result = stemsplit(*arguments)
    assert result.exit_code == 0
    assert "already done: skipped" in result.stderr
