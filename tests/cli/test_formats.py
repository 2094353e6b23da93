"""The options about files: every format end to end, and contradictions before any work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from stemsplit.audio.formats import Container, Encoding
from stemsplit.audio.source import probe, read_blocks
from stemsplit.cli.options.agreement import choose_sample_rate, parse_bitrate
from stemsplit.errors import UsageError
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
        (("--format", "WAV", "--bit-depth", "32F"), "vocals.wav", "float", 32),
        (("--format", "M4A", "--codec", "ALAC", "--bit-depth", "16"), "vocals.m4a", "alac", None),
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


@pytest.mark.parametrize(
    ("text", "bitrate"),
    [
        *((text, 320) for text in ("320", "320k", "320K", "320 kbps", "320kbit/s", "320kb/s")),
        *((text, "V0") for text in ("v0", "V0")),
        ("320000k", 320_000),
        ("k", "K"),
        ("3.2k", "3.2K"),
        (None, None),
    ],
)
def test_bit_rates_as_people_write_them(text: str | None, bitrate: int | str | None) -> None:
    assert parse_bitrate(text) == bitrate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        *((text, 44100) for text in ("44100", "44100 Hz", "44.1k", "44.1 kHz", "44.1KHZ")),
        ("48k", 48000),
        ("Source", "source"),
        ("MODEL", "model"),
    ],
)
def test_sample_rates_as_people_write_them(text: str, rate: int | str) -> None:
    assert choose_sample_rate(text, Encoding()) == rate


@pytest.mark.parametrize("text", ["high", "44.1", "-1", "44,1k", "k", "44.1005k", ""])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no rate"):
        choose_sample_rate(text, Encoding())


def test_names_in_capitals_are_names(stemsplit: Stemsplit, song: Path) -> None:
    options = ("--complement", "SUM", "--clip", "Clamp", "--precision", "FP32", "--device", "CPU")
    mp3 = ("--format", "Mp3", "--bitrate", "192k", "--batch-size", "AUTO")
    result = stemsplit(song, *SPECTRAL, *options, *mp3)
    assert result.exit_code == 0, result.stderr
    assert probe(Path("out", "no_vocals.mp3")).codec.startswith("mp3")


def test_a_template_without_an_extension_gets_the_formats(stemsplit: Stemsplit, song: Path) -> None:
    result = stemsplit(song, *SPECTRAL[:4], "-o", "out", "--flac", "--template", "{stem}")
    assert result.exit_code == 0, result.stderr
    names = sorted(path.name for path in Path("out").iterdir())
    assert names == ["no_vocals.flac", "song.stemsplit.json", "vocals.flac"]


@pytest.mark.parametrize(
    ("container", "rate", "message"),
    [
        ("wav", 10, "`sample_rate` must be 1000 to 768000 Hz, got 10"),
        ("wav", 768_001, "got 768001"),
        ("stem.mp4", 96_000, "A stem file has 44100 or 48000 Hz, not 96000 Hz"),
    ],
)
def test_rates_that_no_output_should_have(container: Container, rate: int, message: str) -> None:
    encoding = Encoding(container=container)
    with pytest.raises(UsageError, match=message):
        choose_sample_rate(str(rate), encoding)
    with pytest.raises(UsageError, match=message):
        encoding.check_sample_rate(rate)
    for fine in ("source", "model", 48_000):
        encoding.check_sample_rate(fine)  # type: ignore[arg-type]


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
