"""The options about files: every format end to end, and contradictions before any work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from stemsplit.audio.source import probe, read_blocks
from tests.audio.songs import tone, write_sndfile
from tests.cli.conftest import Stemsplit

SPECTRAL = ("-m", "spectral", "--two-stems", "vocals", "--template", "{stem}.{ext}", "-o", "out")


@pytest.mark.parametrize(
    ("options", "file_name", "codec", "bits"),
    [
        ((), "vocals.wav", "pcm_24", 24),
        (("--bit-depth", "16", "--dither"), "vocals.wav", "pcm_16", 16),
        (("--float32",), "vocals.wav", "float", 32),
        (("--format", "aiff"), "vocals.aiff", "pcm_24", 24),
        (("--flac", "--int24"), "vocals.flac", "flac", 24),
        (("--format", "mp3"), "vocals.mp3", "mp3", None),
        (("--mp3", "--mp3-bitrate", "192"), "vocals.mp3", "mp3", None),
        (("--format", "mp3", "--bitrate", "v2"), "vocals.mp3", "mp3", None),
        (("--format", "ogg", "--bitrate", "160"), "vocals.ogg", "vorbis", None),
        (("--format", "m4a"), "vocals.m4a", "aac", None),
        (("--format", "m4a", "--codec", "alac", "--bit-depth", "16"), "vocals.m4a", "alac", None),
    ],
)
def test_every_format(
    stemsplit: Stemsplit,
    song: Path,
    options: tuple[str, ...],
    file_name: str,
    codec: str,
    bits: int | None,
) -> None:
    result = stemsplit(song, *SPECTRAL, *options)
    assert result.exit_code == 0, result.stderr
    info = probe(Path("out", file_name))
    assert info.codec.startswith(codec)
    assert info.bits_per_sample == bits
    assert (info.sample_rate, info.num_channels, info.num_samples) == (44100, 2, 22_050)
    assert sum(block.shape[-1] for block in read_blocks(Path("out", file_name))) == 22_050


def test_opus_is_written_at_its_only_rate_and_says_so(stemsplit: Stemsplit, song: Path) -> None:
    result = stemsplit(song, *SPECTRAL, "--format", "opus")
    assert result.exit_code == 0, result.stderr
    assert "48000 Hz" in result.stderr
    info = probe(Path("out", "vocals.opus"))
    assert (info.codec, info.sample_rate) == ("opus", 48000)
    assert sum(block.shape[-1] for block in read_blocks(Path("out", "vocals.opus"))) == 24_000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--flac", "--mp3"), "--flac and --mp3 contradict each other"),
        (("--format", "ogg", "--flac"), "--format ogg and --flac contradict each other"),
        (("--int24", "--float32"), "--int24 and --float32 contradict each other"),
        (("--bit-depth", "16", "--int24"), "--bit-depth 16 and --int24 contradict"),
        (("--bitrate", "128", "--mp3", "--mp3-bitrate", "320"), "--bitrate 128 and --mp3-bitrate"),
        (("--mp3", "--bit-depth", "16"), "MP3 is lossy and has no bit depth"),
        (("--flac", "--float32"), "FLAC stores integers only"),
        (("--mp3-bitrate", "320"), "WAV is lossless"),
        (("--codec", "alac"), "A codec can be chosen for m4a and stem.mp4"),
        (("--dither", "--float32"), "Dither is for 16 and 24 bit integers"),
        (("--mp3", "--sample-rate", "96000"), "MP3 cannot hold --sample-rate 96000"),
        (("--format", "opus", "--sample-rate", "44100"), "Opus cannot hold --sample-rate 44100"),
        (("--format", "opus", "--sample-rate", "model"), "Opus cannot hold --sample-rate model"),
        (("--mp3", "--bitrate", "best"), "MP3 has no bit rate BEST"),
        (("--sample-rate", "high"), "--sample-rate 'high' is no rate"),
    ],
)
def test_contradictions_are_found_before_any_work(
    stemsplit: Stemsplit, song: Path, options: tuple[str, ...], message: str
) -> None:
    result = stemsplit(song, *SPECTRAL, *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not Path("out").exists()


def test_song_with_a_rate_that_the_format_lacks_fails_alone(
    stemsplit: Stemsplit, song: Path
) -> None:
    write_sndfile(song.with_name("high.wav"), tone(9600, sample_rate=96000), sample_rate=96000)
    template = ("--template", "{track}/{stem}.{ext}")
    result = stemsplit("high.wav", song, *SPECTRAL, *template, "--mp3", "--json")
    assert result.exit_code == 1
    assert "MP3 cannot hold a sample rate of 96000 Hz. Use --sample-rate 48000" in result.stdout
    assert soundfile.info(Path("out", "song", "vocals.mp3")).frames == 22_050
    assert all(isinstance(json.loads(line), dict) for line in result.stdout.splitlines())
    assert [path.name for path in Path("out").iterdir()] == ["song"]
