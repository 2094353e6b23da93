"""Which encodings there are, and what dither and the clip policies do to the sound."""

from __future__ import annotations

import dataclasses
import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stemsplit.audio.channels import default_channels
from stemsplit.audio.encode.encoders import Dither, Encoding, quantise
from stemsplit.audio.source import read_blocks
from stemsplit.audio.write.writer import ClipPolicy, StemWriter, WritePolicy, WriteReport
from stemsplit.errors import AudioWriteError, UsageError
from tests.audio.songs import tone

LOSSY = [
    Encoding(container="mp3"),
    Encoding(container="ogg"),
    Encoding(container="opus"),
    Encoding(container="m4a"),
]


def write_stem(
    path: Path,
    stem: torch.Tensor,
    encoding: Encoding,
    *,
    clip: ClipPolicy = "common",
    block_samples: int = 10_000,
) -> WriteReport:
    with StemWriter(
        {path.stem: path},
        sample_rate=48000,
        channels=default_channels(stem.shape[0]),
        num_samples=stem.shape[1],
        encoding=encoding,
        policy=WritePolicy(clip=clip),
    ) as writer:
        for block in stem.split(block_samples, dim=-1):
            writer.write(path.stem, block)
        return writer.commit()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"container": "wma"}, "Unknown output format 'wma'"),
        ({"container": "mp3", "subtype": "16"}, "MP3 is lossy and has no bit depth"),
        ({"container": "m4a", "subtype": "24"}, "AAC is lossy.*codec='alac'"),
        ({"container": "m4a", "codec": "alac", "subtype": "32f"}, "ALAC stores integers only"),
        ({"container": "m4a", "codec": "mp3"}, "Unknown codec 'mp3'"),
        ({"container": "wav", "codec": "aac"}, "chosen for m4a and stem.mp4, not for wav"),
        ({"container": "flac", "bitrate": 320}, "FLAC is lossless: its bit rate follows"),
        (
            {"container": "mp3", "bitrate": 300},
            r"MP3 has no bit rate 300\..*256, 320 kbit/s, or V0",
        ),
        ({"container": "mp3", "bitrate": "V10"}, "MP3 has no bit rate V10"),
        ({"container": "opus", "bitrate": "V0"}, "Opus has no bit rate V0.*16 to 510 kbit/s"),
        ({"container": "m4a", "bitrate": 5}, "AAC has no bit rate 5"),
        ({"container": "ogg", "dither": True}, "Dither is for 16 and 24 bit.*not for Ogg Vorbis"),
        ({"subtype": "32f", "dither": True}, "not for 32 bit float WAV"),
    ],
)
def test_contradictions_are_usage_errors(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        Encoding(**fields)
    assert caught.value.hint


def test_what_is_left_out_becomes_the_default() -> None:
    assert Encoding() == Encoding(container="wav", subtype="24")
    assert Encoding(container="m4a") == Encoding(container="m4a", codec="aac")
    assert Encoding(container="m4a", codec="alac").subtype == "24"
    assert Encoding(container="mp3").subtype is None
    # The record of a track holds the fields, and compares them.
    fields = dataclasses.asdict(Encoding(container="stem.mp4", codec="alac"))
    assert json.loads(json.dumps(fields)) == fields
    assert Encoding(**fields).extension == "stem.mp4"


@pytest.mark.parametrize("num_bits", [16, 24])
def test_dither_is_triangular_and_hides_the_rounding(num_bits: int) -> None:
    step = 2.0 ** (1 - num_bits)
    rng = np.random.default_rng(0)
    # A slow ramp over 8 steps: without dither, the error would follow it.
    ramp = torch.from_numpy((8 * rng.random((1, 400_000)) * step).astype(np.float32))
    integers, num_cut = quantise(ramp, num_bits, Dither(1))
    error = integers.double().numpy() - ramp.double().numpy() / step  # in steps
    assert num_cut == 0
    # The standard error of the mean is 0.5 / sqrt(400000) = 0.0008; 6 of them.
    assert abs(error.mean()) < 0.005
    assert error.var() == pytest.approx(1 / 4, rel=0.02)
    assert np.abs(error).max() <= 1.5
    # Neither the mean nor the size of the error depends on where between two steps a sample lies.
    place = ramp.double().numpy() / step % 1
    for low in np.arange(0, 1, 0.1):
        here = error[(place >= low) & (place < low + 0.1)]
        assert abs(here.mean()) < 0.02
        assert here.var() == pytest.approx(1 / 4, rel=0.05)
    # White: no sample of the error knows of the next.
    assert abs(np.corrcoef(error[0, :-1], error[0, 1:])[0, 1]) < 0.01


def test_dither_noise_has_a_triangular_distribution() -> None:
    noise = Dither(0).noise(1, 500_000)
    counts, _ = np.histogram(noise, bins=20, range=(-1, 1))
    centres = np.linspace(-0.95, 0.95, 20)
    np.testing.assert_allclose(counts / counts.sum(), (1 - np.abs(centres)) / 10, atol=0.002)
    assert noise.var() == pytest.approx(1 / 6, rel=0.02)


def test_without_dither_the_error_is_that_of_rounding() -> None:
    samples = torch.rand(1, 50_000, generator=torch.Generator().manual_seed(0)) - 0.5
    integers, _ = quantise(samples, 16)
    error = integers.double() - samples.double() * 2**15
    assert float(error.abs().max()) <= 0.5
    assert float(error.var()) == pytest.approx(1 / 12, rel=0.02)


def test_dither_leaves_silence_alone_and_full_scale_is_no_clipping() -> None:
    silence = torch.zeros(2, 1000)
    assert not quantise(silence, 16, Dither(0))[0].any()
    loud = torch.tensor([[1 - 2.0**-15, -1.0]]).repeat(1, 1000)
    integers, num_cut = quantise(loud, 16, Dither(0))
    assert (int(integers.max()), int(integers.min()), num_cut) == (32767, -32768, 0)


def test_dithered_stems_have_noise_of_their_own_and_the_same_bytes_again(tmp_path: Path) -> None:
    encoding = Encoding(subtype="16", dither=True)
    stem = torch.from_numpy(tone(20_000)) / 3
    for folder, block_samples in (("once", 20_000), ("again", 333)):
        for name in ("vocals", "drums"):
            path = tmp_path / folder / f"{name}.wav"
            write_stem(path, stem, encoding, block_samples=block_samples)
            direct = tmp_path / folder / f"{name}-clamped.wav"
            write_stem(direct, stem, encoding, block_samples=block_samples, clip="clamp")
    for path in (tmp_path / "once").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()
    vocals, drums = (
        torch.cat(list(read_blocks(tmp_path / "once" / f"{name}.wav")), dim=-1) - stem
        for name in ("vocals", "drums")
    )
    # A third of the variance is common: the part of the rounding that is the same. Equal noise
    # would give 1.
    assert abs(np.corrcoef(vocals.flatten(), drums.flatten())[0, 1]) < 0.5


@pytest.mark.parametrize("container", ["wav", "aiff", "flac", "m4a"])
def test_24_bits_are_all_in_use(tmp_path: Path, container: str) -> None:
    codec = "alac" if container == "m4a" else None
    encoding = Encoding(container=container, codec=codec, subtype="24")  # type: ignore[arg-type]
    path = tmp_path / f"a.{container}"
    write_stem(path, torch.from_numpy(tone(50_000)) / 3, encoding)
    integers = (torch.cat(list(read_blocks(path)), dim=-1) * 2**23).to(torch.int32)
    for bit in range(8):
        # Each of the lowest eight bits is set half of the time: they hold signal, not zeros.
        assert float(((integers >> bit) & 1).double().mean()) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("encoding", LOSSY, ids=str)
def test_lossy_formats_are_kept_within_full_scale(tmp_path: Path, encoding: Encoding) -> None:
    loud = 4 * torch.from_numpy(tone(20_000, sample_rate=48000))
    peak = float(loud.abs().max())
    common = write_stem(tmp_path / "common", loud, encoding)
    assert common.gain == pytest.approx(1 / peak)
    assert (common.num_clipped_samples, common.warnings) == (0, ())
    decoded = torch.cat(list(read_blocks(tmp_path / "common")), dim=-1)
    assert decoded.shape == loud.shape
    torch.testing.assert_close(decoded, loud / peak, rtol=0, atol=0.1)

    clamped = write_stem(tmp_path / "clamp", loud, encoding, clip="clamp")
    num_beyond = int((loud.abs() > 1).sum())
    assert (clamped.gain, clamped.num_clipped_samples, clamped.warnings) == (1, num_beyond, ())
    cut = write_stem(tmp_path / "none", loud, encoding, clip="none")
    assert f"{num_beyond} samples were beyond full scale" in cut.warnings[0]

    quiet = write_stem(tmp_path / "quiet", loud / peak, encoding)
    assert quiet.gain == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("clip", ["common", "clamp"])
@pytest.mark.parametrize(
    "encoding",
    [Encoding(container="aiff"), Encoding(container="m4a", codec="alac"), *LOSSY],
    ids=str,
)
def test_disk_that_fills_up(tmp_path: Path, encoding: Encoding, clip: ClipPolicy) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = torch.rand(2, 200_000, generator=torch.Generator().manual_seed(0)) - 0.5
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
    try:
        with pytest.raises(AudioWriteError, match="could not be written") as caught:
            write_stem(tmp_path / "new" / "a", noise, encoding, clip=clip)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "another disk" in caught.value.hint or "write elsewhere" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_reason_of_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = Path.open

    class FullDisk:
        def __init__(self, file: Any) -> None:
            self._file = file

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

        def __enter__(self) -> FullDisk:
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()

        def write(self, _data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def open_full(path: Path, mode: str = "r", **options: Any) -> Any:
        file = genuine(path, mode, **options)
        return FullDisk(file) if mode == "xb" else file

    monkeypatch.setattr(Path, "open", open_full)
    for encoding in (Encoding(container="opus"), Encoding(container="m4a"), Encoding()):
        with pytest.raises(AudioWriteError, match="No space left on device"):
            write_stem(tmp_path / "a", torch.zeros(2, 100_000), encoding, clip="clamp")
    assert list(tmp_path.iterdir()) == []
