"""Reading: every format, the same twice, in blocks of any length."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from mutagen.mp4 import MP4, MP4FreeForm
from torch import Tensor

from stemsplit.audio.source import hash_file, probe, read_blocks
from tests.audio.songs import SHARED_AUDIO, tone, write_pyav, write_sndfile

BLOCK = 1000


def read_all(path: Path, *, block_samples: int = BLOCK) -> Tensor:
    blocks = list(read_blocks(path, block_samples=block_samples))
    num_channels = probe(path).num_channels
    return torch.cat([torch.zeros(num_channels, 0), *blocks], dim=-1)


@pytest.mark.parametrize("num_channels", [1, 2, 6])
@pytest.mark.parametrize("container", ["WAV", "FLAC", "AIFF", "RF64", "W64", "CAF", "AU"])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_integers_are_read_exactly(
    tmp_path: Path, container: str, subtype: str, num_channels: int
) -> None:
    num_bits = int(subtype[-2:])
    rng = np.random.default_rng(0)
    limit = 2 ** (num_bits - 1)
    integers = rng.integers(-limit, limit, (num_channels, 2500), dtype=np.int32)
    integers[:, :2] = [-limit, limit - 1]
    path = write_sndfile(
        tmp_path / "song", integers << (32 - num_bits), container=container, subtype=subtype
    )
    info = probe(path)
    assert (info.sample_rate, info.num_channels) == (44100, num_channels)
    assert (info.num_samples, info.bits_per_sample) == (2500, num_bits)
    assert np.array_equal(read_all(path).numpy(), integers / limit)


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_floats_keep_values_beyond_full_scale(tmp_path: Path, subtype: str) -> None:
    samples = 5 * tone(500)
    path = write_sndfile(tmp_path / "loud.wav", samples, subtype=subtype)
    assert np.array_equal(read_all(path).numpy(), samples)


@pytest.mark.parametrize(
    ("codec", "suffix", "container", "sample_rate"),
    [
        ("libmp3lame", "mp3", None, 44100),
        ("aac", "m4a", "mp4", 44100),
        ("alac", "m4a", "mp4", 44100),
        ("aac", "mp4", None, 44100),
        ("aac", "aac", "adts", 44100),
        ("libopus", "opus", None, 48000),
        ("libopus", "mkv", None, 48000),
        ("libopus", "webm", None, 48000),
        ("flac", "mkv", None, 44100),
        ("wmav2", "wma", "asf", 44100),
        ("wavpack", "wv", None, 44100),
    ],
)
@pytest.mark.parametrize("num_channels", [1, 2])
def test_other_formats_are_read_by_content(
    tmp_path: Path,
    codec: str,
    suffix: str,
    container: str | None,
    sample_rate: int,
    num_channels: int,
) -> None:
    samples = tone(30_000, num_channels=num_channels, sample_rate=sample_rate)
    path = write_pyav(
        tmp_path / f"song.{suffix}",
        samples,
        codec=codec,
        container=container,
        sample_rate=sample_rate,
    )
    path = path.rename(tmp_path / "song.txt")
    info, audio = probe(path), read_all(path)
    assert (info.sample_rate, info.num_channels) == (sample_rate, num_channels)
    # Encoders pad to whole frames and ffmpeg's WMA loses one; the tone is there all the same.
    assert abs(audio.shape[-1] - 30_000) <= 4096
    assert info.missing_samples(audio.shape[-1]) == 0
    middle = slice(5000, 25_000)
    levels = audio[:, middle].std(dim=-1)
    expected = torch.from_numpy(samples[:, middle].std(axis=-1))
    torch.testing.assert_close(levels, expected, rtol=0.1, atol=0)
    assert torch.equal(audio, read_all(path))


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_has_the_exact_length(tmp_path: Path, subtype: str) -> None:
    path = write_sndfile(
        tmp_path / "a.ogg", tone(7001), sample_rate=48000, container="OGG", subtype=subtype
    )
    assert probe(path).num_samples == 7001
    assert read_all(path).shape == (2, 7001)


@pytest.mark.parametrize("sample_rate", [22050, 44100, 48000])
@pytest.mark.parametrize("num_samples", [1000, 1151, 1152, 1200, 5000, 44_677])
@pytest.mark.parametrize("writer", ["libsndfile", "ffmpeg"])
def test_mp3_has_the_length_and_place_of_the_original(
    tmp_path: Path, sample_rate: int, num_samples: int, writer: str
) -> None:
    path = tmp_path / "song.mp3"
    samples = tone(num_samples, sample_rate=sample_rate)
    if writer == "libsndfile":
        write_sndfile(path, samples, sample_rate=sample_rate)
    else:
        write_pyav(path, samples, codec="libmp3lame", sample_rate=sample_rate)
    audio = read_all(path).numpy()
    assert probe(path).num_samples == num_samples
    assert audio.shape == (2, num_samples)
    # One sample of shift alone would change the tone by a tenth of this correlation's margin.
    assert np.corrcoef(audio[0], samples[0])[0, 1] > 0.995


def test_mp3_without_lame_tag_claims_no_length(tmp_path: Path) -> None:
    path = write_pyav(
        tmp_path / "a.mp3", tone(20_000), codec="libmp3lame", options={"write_xing": "0"}
    )
    info, audio = probe(path), read_all(path)
    assert info.num_samples is None
    assert audio.shape[-1] >= 20_000
    assert info.missing_samples(0) == 0


def test_joined_mp3_files_are_read_to_the_end(tmp_path: Path) -> None:
    song = write_sndfile(tmp_path / "one.mp3", tone(20_000)).read_bytes()
    path = tmp_path / "two.mp3"
    path.write_bytes(song + song)
    assert read_all(path).shape[-1] > 39_000
    assert probe(path).missing_samples(read_all(path).shape[-1]) == 0


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3"])
@pytest.mark.parametrize("num_samples", [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_blocks_have_the_size_that_was_asked_for(
    tmp_path: Path, suffix: str, num_samples: int
) -> None:
    path = write_sndfile(tmp_path / f"song.{suffix}", tone(num_samples))
    lengths = [block.shape[-1] for block in read_blocks(path, block_samples=BLOCK)]
    assert sum(lengths) == num_samples
    assert all(length == BLOCK for length in lengths[:-1])
    assert all(block.dtype == torch.float32 for block in read_blocks(path))
    for block_samples in (1 + num_samples // 7, 1 << 20):
        assert torch.equal(read_all(path), read_all(path, block_samples=block_samples))


@pytest.mark.parametrize("container", ["WAV", "AIFF", "RF64", "W64", "CAF"])
def test_no_samples_are_no_blocks(tmp_path: Path, container: str) -> None:
    path = write_sndfile(tmp_path / "empty", tone(0), container=container, subtype="PCM_16")
    assert probe(path).num_samples == 0
    assert list(read_blocks(path)) == []


@pytest.mark.parametrize(
    "name",
    ["with space.wav", "żółć 音楽.flac", "🎸🥁.mp3", "-n.wav", "http:song.mp3", "a%20b#c?.flac"],
)
def test_any_file_name(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sndfile(tmp_path / f"plain.{name[-4:].strip('.')}", tone(2000)).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert read_all(Path(name)).shape == (2, 2000)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file names that are not text")
@pytest.mark.parametrize("suffix", ["wav", "mp3"])
def test_file_name_that_is_not_utf8(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9." + suffix.encode())
    write_sndfile(tmp_path / f"plain.{suffix}", tone(2000)).rename(path)
    assert read_all(path).shape == (2, 2000)


def test_tags_that_are_not_utf8_are_no_obstacle(tmp_path: Path) -> None:
    # An ID3v1 tag: 30 bytes each of title, artist and album in whatever encoding.
    song = write_sndfile(tmp_path / "a.mp3", tone(2000)).read_bytes()
    path = tmp_path / "b.mp3"
    path.write_bytes(song + b"TAG" + b"\xff\xfe\xe9".ljust(125, b"\x00"))
    assert read_all(path).shape == (2, 2000)


def test_the_first_audio_stream_of_a_stem_file() -> None:
    path = SHARED_AUDIO / "falcon69.stem.mp4"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    info, audio = probe(path), read_all(path, block_samples=1 << 16)
    assert (info.sample_rate, info.num_channels, info.codec) == (44100, 2, "aac")
    assert audio.shape == (2, 268_288)


def test_a_real_song() -> None:
    path = SHARED_AUDIO / "demucs_test.mp3"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    audio = read_all(path, block_samples=1 << 16)
    assert probe(path).num_samples == 882_000
    assert audio.shape == (2, 882_000)
    assert torch.equal(audio, read_all(path, block_samples=4321))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no list of open files here")
@pytest.mark.parametrize("suffix", ["wav", "mp3"])
def test_a_stream_that_is_left_early_closes_its_file(tmp_path: Path, suffix: str) -> None:
    def is_open() -> bool:
        return any(link.resolve() == path for link in Path("/proc/self/fd").iterdir())

    path = write_sndfile(tmp_path / f"a.{suffix}", tone(5000)).resolve()
    blocks = read_blocks(path, block_samples=100)
    next(blocks)
    assert is_open()
    blocks.close()  # type: ignore[attr-defined]
    assert not is_open()


def test_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = write_sndfile(tmp_path / "a.wav", tone(2000))
    assert hash_file(path) == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("timescale", [44100, 48000, 1000, 600])
@pytest.mark.parametrize("num_samples", [2000, 3072, 20_000, 44_100, 100_001])
@pytest.mark.parametrize("codec", ["aac", "libopus"])
def test_padding_in_mp4_is_cut(
    tmp_path: Path, codec: str, num_samples: int, timescale: int
) -> None:
    options = {"movie_timescale": str(timescale)}
    rate = 48_000 if codec == "libopus" else 44_100
    samples = tone(num_samples, sample_rate=rate)
    path = tmp_path / "a.m4a"
    write_pyav(path, samples, codec=codec, container="mp4", sample_rate=rate, options=options)
    audio = read_all(path)
    # Opus does not begin before its 312th sample is heard. From version 8.1 on, ffmpeg cuts AAC
    # where the edit list does, before anybody can know better.
    inexact = rate // timescale + 1 if av.library_versions["libavformat"] >= (63,) else 0
    assert audio.shape[-1] == pytest.approx(num_samples, abs=inexact if codec == "aac" else 312)
    assert probe(path).missing_samples(audio.shape[-1]) == 0


@pytest.mark.parametrize("has_edits", [True, False])
@pytest.mark.parametrize(("said", "kept"), [(29_696, 29_696), (29_000, 29_000), (15_000, 29_696)])
def test_padding_is_cut_where_itunes_says(
    tmp_path: Path, has_edits: bool, said: int, kept: int
) -> None:
    options = {"use_editlist": str(int(has_edits)), "movie_timescale": "44100"}
    samples = tone(29 * 1024)  # so that the last frame is full, as iTunes has it
    path = write_pyav(tmp_path / "a.m4a", samples, codec="aac", container="mp4", options=options)
    song = MP4(path)
    if song.tags is None:
        song.add_tags()
    padding = max(0, 29_696 - said) if said > 20_000 else 0
    text = f" 00000000 00000400 {padding:08X} {said:016X} 00000000 00000000"
    song["----:com.apple.iTunes:iTunSMPB"] = [MP4FreeForm(text.encode())]
    song.save()
    audio = read_all(path)
    # What is said of another length is about something else.
    assert audio.shape[-1] == kept
    middle = slice(5000, 25_000)
    assert np.corrcoef(audio[0, middle], samples[0, middle])[0, 1] > 0.99


def test_very_short_mp3_at_a_low_rate_has_its_length(tmp_path: Path) -> None:
    path = write_sndfile(tmp_path / "a.mp3", tone(1, sample_rate=22050), sample_rate=22050)
    assert read_all(path).shape == (2, 1)
