"""`--track`: another audio track than the first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import soundfile

from stemsplit.batch.fingerprint import changes
from stemsplit.engine.excerpt import Excerpt
from stemsplit.engine.separator import Separator
from stemsplit.errors import UsageError
from tests.audio.songs import write_film
from tests.cli.conftest import Stemsplit


def test_the_track_that_is_named_is_separated(stemsplit: Stemsplit, workplace: Path) -> None:
    film = write_film(workplace / "film.mkv", "matroska", num_tracks=2)
    arguments = [film, "-m", "spectral", "--stems", "bass"]

    def record() -> dict[str, Any]:
        (file,) = Path("separated").rglob("stemsplit.json")
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    first = stemsplit(*arguments)
    assert first.exit_code == 0
    assert "Number 1 was taken; --track chooses another" in " ".join(first.stderr.split())
    assert record()["input"]["num_channels"] == 2
    second = stemsplit(*arguments, "--track", "2")
    assert second.exit_code == 0
    assert "track 1 -> 2" in second.stderr
    assert record()["input"]["num_channels"] == 1
    (stem,) = Path("separated").rglob("bass.wav")
    assert soundfile.info(stem).samplerate == 48_000
    third = stemsplit(*arguments, "--track", "3")
    assert third.exit_code == 1
    assert "has 2 audio tracks, and --track 3 was asked for" in " ".join(third.stderr.split())
    assert stemsplit(*arguments, "--track", "0").exit_code == 2


def test_python_takes_a_track_too(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mkv", "matroska", num_tracks=2)
    stems = Separator("spectral", stems=["bass"], track=2, device="cpu").separate(film)
    assert (stems.sample_rate, stems["bass"].shape[0]) == (48_000, 1)
    with pytest.raises(UsageError, match="`track` counts from 1, got 0"):
        Excerpt(audio_track=0)


def test_songs_that_were_done_before_there_was_a_choice_stay_done() -> None:
    before = {"options": {"shifts": 0}}
    assert changes(before, {"options": {"shifts": 0, "audio_track": 1}}) == []
    (change,) = changes(before, {"options": {"shifts": 0, "audio_track": 2}})
    assert str(change) == "track 1 -> 2"
