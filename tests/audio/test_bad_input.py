"""Files that are missing, not audio, or damaged: one clear error each, or what can be saved."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from stemsplit.audio.decode import decode_pyav as pyav
from stemsplit.audio.source import hash_file, probe, read_blocks
from stemsplit.errors import AudioReadError
from tests.audio.songs import tone, write_pyav, write_sndfile, write_video


def read(path: Path) -> torch.Tensor:
    return torch.cat(list(read_blocks(path)), dim=-1)


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(5 * 4))
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("read_it", [probe, read, hash_file])
def test_missing_file(tmp_path: Path, read_it) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(AudioReadError, match=r"no such song\.mp3 does not exist") as caught:
        read_it(tmp_path / "no such song.mp3")
    assert caught.value.hint


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(AudioReadError, match="is a folder"):
        probe(tmp_path)


def test_path_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(AudioReadError, match="cannot be read: Not a directory"):
        probe(tmp_path / "file" / "song.wav")


def test_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_sndfile(tmp_path / "a.wav", tone(10))

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(AudioReadError, match="may not be read by this user"):
        probe(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_named_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AudioReadError, match="not a regular file"):
        probe(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"a", "is not audio"),
        (b"These are the lyrics of the song.\n" * 500, "is not audio"),
        (bytes(10_000), "is not audio"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "is not audio"),
        (b"fLaC", "is not audio"),
        (png(), "has no audio in it"),
        (b"#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n", "is not audio"),
    ],
)
@pytest.mark.parametrize("suffix", ["mp3", "wav", "m3u8"])
def test_not_audio(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str, content: bytes, message: str
) -> None:
    path = tmp_path / f"song.{suffix}"
    path.write_bytes(content)
    with pytest.raises(AudioReadError, match=message) as caught:
        probe(path)
    assert caught.value.hint
    assert capfd.readouterr() == ("", "")


def test_video_without_sound(tmp_path: Path) -> None:
    with pytest.raises(AudioReadError, match="has no audio in it"):
        probe(write_video(tmp_path / "silent.mp4"))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_numbers(tmp_path: Path, value: float) -> None:
    samples = tone(30_000)
    samples[1, 22_050:22_053] = value
    path = write_sndfile(tmp_path / "a.wav", samples, subtype="FLOAT")
    with pytest.raises(AudioReadError, match=r"not finite numbers: at least 3, .* 0\.500 seconds"):
        for _ in read_blocks(path, block_samples=1000_000):
            pass
    with pytest.raises(AudioReadError, match=r"the first at 0\.500 seconds"):
        list(read_blocks(path, block_samples=1000))


def test_sample_rate_out_of_range(tmp_path: Path) -> None:
    path = write_sndfile(tmp_path / "a.wav", tone(10), sample_rate=1_000_000)
    with pytest.raises(AudioReadError, match="sample rate of 1000000 Hz"):
        probe(path)


def test_change_of_rate_in_mid_stream(tmp_path: Path) -> None:
    def song(sample_rate: int) -> bytes:
        path = tmp_path / f"{sample_rate}.aac"
        samples = tone(40_000, sample_rate=sample_rate)
        write_pyav(path, samples, codec="aac", container="adts", sample_rate=sample_rate)
        return path.read_bytes()

    path = tmp_path / "joined.aac"
    path.write_bytes(song(44100) + song(32000))
    with pytest.raises(AudioReadError, match="changes from 44100 Hz with 2 channels to 32000 Hz"):
        list(read_blocks(path))


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        ("wav", "pcm_s16le"),
        ("aiff", "pcm_s24be"),
        ("flac", "flac"),
        ("mp3", "libmp3lame"),
        ("m4a", "aac"),
        ("m4a", "alac"),
    ],
)
def test_cut_off_file_gives_what_is_left_and_says_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str, codec: str
) -> None:
    # MP4 has its index at the end unless asked otherwise, and cannot be read at all without.
    options = {"movflags": "+faststart"} if suffix == "m4a" else {}
    whole = write_pyav(tmp_path / f"whole.{suffix}", tone(100_000), codec=codec, options=options)
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    audio, info = read(path), probe(path)
    assert 30_000 < audio.shape[-1] < 75_000
    assert torch.equal(audio, read(path))
    assert torch.equal(audio[:, :20_000], read(whole)[:, :20_000])
    # AAC in MP4 states its length in milliseconds.
    assert info.num_samples == pytest.approx(100_000, abs=50)
    assert info.missing_samples(audio.shape[-1]) > 20_000
    assert capfd.readouterr() == ("", "")


def test_m4a_without_its_index(tmp_path: Path) -> None:
    path = write_pyav(tmp_path / "a.m4a", tone(100_000), codec="aac")
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(AudioReadError, match="is not audio"):
        probe(path)


@pytest.mark.parametrize("suffix", ["mp3", "flac"])
def test_damage_in_the_middle_costs_a_few_frames(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str
) -> None:
    path = write_sndfile(tmp_path / f"a.{suffix}", tone(200_000))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = np.random.default_rng(0).bytes(3000)
    path.write_bytes(content)
    audio = read(path)
    assert audio.shape[-1] > 150_000
    assert torch.equal(audio, read(path))
    assert capfd.readouterr() == ("", "")


def test_wav_of_unknown_length_is_read_to_the_end(tmp_path: Path) -> None:
    path = write_sndfile(tmp_path / "a.wav", tone(5000), subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff" * 4
    path.write_bytes(content)
    assert probe(path).num_samples is None
    assert read(path).shape == (2, 5000)


def test_disk_that_is_pulled_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_sndfile(tmp_path / "a.mp3", tone(5000))

    def fail(*_args: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(pyav, "_decoded", fail)
    with pytest.raises(AudioReadError, match="cannot be read: Input/output error"):
        list(read_blocks(path))


@pytest.mark.parametrize("level", [0.0, 0.25])
def test_silence_and_a_constant_are_audio(tmp_path: Path, level: float) -> None:
    path = write_sndfile(tmp_path / "a.flac", np.full((1, 3000), level, np.float32))
    assert torch.equal(read(path), torch.full((1, 3000), level))
