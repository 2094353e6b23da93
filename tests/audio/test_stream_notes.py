"""Files with several audio tracks, and videos whose sound begins late."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stemsplit.audio.source import look, probe, read_blocks
from stemsplit.engine.excerpt import Excerpt
from stemsplit.engine.mixture import Mixture
from stemsplit.errors import AudioReadError
from tests.audio.songs import FILM_RATES, write_film


@pytest.mark.parametrize("container", ["matroska", "mp4"])
def test_any_track_can_be_read(tmp_path: Path, container: str) -> None:
    path = write_film(tmp_path / "film", container, num_tracks=2)
    for stream, num_channels in enumerate((2, 1)):
        info = probe(path, stream=stream)
        assert (info.sample_rate, info.num_channels) == (FILM_RATES[stream], num_channels)
        audio = torch.cat(list(read_blocks(path, stream=stream)), dim=-1)
        assert audio.shape[0] == num_channels
        assert audio.shape[1] == pytest.approx(FILM_RATES[stream], abs=1536)
        (note,) = info.notes
        assert note.startswith("has 2 audio tracks: 1 (eng ac3")
        assert "2 (ger ac3" in note
        assert f"Number {stream + 1} was taken" in note
    with pytest.raises(AudioReadError, match="has 2 audio tracks, and `track` 3 was asked for"):
        probe(path, stream=2)


def test_a_mixture_is_the_track_that_is_wanted(tmp_path: Path) -> None:
    path = write_film(tmp_path / "film", "matroska", num_tracks=2)
    assert Mixture.from_file(path).num_channels == 2
    second = Mixture.from_file(path, excerpt=Excerpt(audio_track=2))
    assert second.sample_rate == 48_000
    assert {block.shape[0] for block in second.open_blocks()} == {1}
    seen = look(path, stream=1)
    assert Mixture.from_file(path, seen, excerpt=Excerpt(audio_track=2)).num_channels == 1


@pytest.mark.parametrize("container", ["matroska", "mp4", "mov"])
@pytest.mark.parametrize("late", [0.0, 0.75])
def test_sound_that_begins_late_is_said(tmp_path: Path, container: str, late: float) -> None:
    path = write_film(tmp_path / "film", container, late_seconds=late)
    notes = probe(path).notes
    if not late:
        assert notes == ()
        return
    (note,) = notes
    assert note.startswith("has sound from 0.7")
    audio = torch.cat(list(read_blocks(path)), dim=-1)
    assert audio.shape[1] == pytest.approx(44_100, abs=1536)
