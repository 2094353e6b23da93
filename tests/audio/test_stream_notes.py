"""Files with several audio tracks, and videos whose sound begins late."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch

from stemsplit.audio.source import look, probe, read_blocks
from stemsplit.engine.excerpt import Excerpt
from stemsplit.engine.mixture import Mixture
from stemsplit.errors import AudioReadError
from tests.audio.songs import tone

RATES = (44_100, 48_000)


def write_video(
    path: Path, container: str, *, num_tracks: int = 1, late_seconds: float = 0.0
) -> Path:
    """A second of video, and tracks of a second each: stereo at 44.1 kHz, mono at 48 kHz."""
    with av.open(path, "w", format=container) as file:
        video = file.add_stream("mpeg4", rate=10)
        video.width = video.height = 32
        video.pix_fmt = "yuv420p"
        layouts = ("stereo", "mono")[:num_tracks]
        streams = [
            file.add_stream("ac3", rate=rate, layout=layout)
            for rate, layout in zip(RATES, layouts, strict=False)
        ]
        for stream, language in zip(streams, ("eng", "ger"), strict=False):
            stream.metadata["language"] = language
        for _ in range(10):
            image = np.zeros((32, 32, 3), np.uint8)
            file.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        for stream, layout in zip(streams, layouts, strict=True):
            rate = stream.rate
            samples = tone(rate, num_channels=2 if layout == "stereo" else 1, sample_rate=rate)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, round(late_seconds * rate)
            for part in (frame, None):
                file.mux(stream.encode(part))
        file.mux(video.encode(None))
    return path


@pytest.mark.parametrize("container", ["matroska", "mp4"])
def test_any_track_can_be_read(tmp_path: Path, container: str) -> None:
    path = write_video(tmp_path / "film", container, num_tracks=2)
    for stream, num_channels in enumerate((2, 1)):
        info = probe(path, stream=stream)
        assert (info.sample_rate, info.num_channels) == (RATES[stream], num_channels)
        audio = torch.cat(list(read_blocks(path, stream=stream)), dim=-1)
        assert audio.shape[0] == num_channels
        assert audio.shape[1] == pytest.approx(RATES[stream], abs=1536)
        (note,) = info.notes
        assert note.startswith("has 2 audio tracks: 1 (eng ac3")
        assert "2 (ger ac3" in note
        assert f"Number {stream + 1} was taken" in note
    with pytest.raises(AudioReadError, match="has 2 audio tracks, and `track` 3 was asked for"):
        probe(path, stream=2)


def test_a_mixture_is_the_track_that_is_wanted(tmp_path: Path) -> None:
    path = write_video(tmp_path / "film", "matroska", num_tracks=2)
    assert Mixture.from_file(path).num_channels == 2
    second = Mixture.from_file(path, excerpt=Excerpt(audio_track=2))
    assert second.sample_rate == 48_000
    assert {block.shape[0] for block in second.open_blocks()} == {1}
    seen = look(path, stream=1)
    assert Mixture.from_file(path, seen, excerpt=Excerpt(audio_track=2)).num_channels == 1


@pytest.mark.parametrize("container", ["matroska", "mp4", "mov"])
@pytest.mark.parametrize("late", [0.0, 0.75])
def test_sound_that_begins_late_is_said(tmp_path: Path, container: str, late: float) -> None:
    path = write_video(tmp_path / "film", container, late_seconds=late)
    notes = probe(path).notes
    if not late:
        assert notes == ()
        return
    (note,) = notes
    assert note.startswith("has sound from 0.7")
    audio = torch.cat(list(read_blocks(path)), dim=-1)
    assert audio.shape[1] == pytest.approx(44_100, abs=1536)
