"""Linear PCM as the header states it, and whatever is odd about the header."""

from __future__ import annotations

import struct
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stemsplit.audio.decode.damage import Damage
from stemsplit.audio.source import probe, read_blocks
from stemsplit.errors import AudioReadError
from tests.audio.songs import SHARED_AUDIO, tone, write_pyav, write_sndfile

RATE = 8000
GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")


def read(path: Path) -> NDArray[np.float32]:
    return torch.cat([torch.zeros(probe(path).num_channels, 0), *read_blocks(path)], -1).numpy()


def integers(num_frames: int, num_channels: int = 2, num_bits: int = 16) -> NDArray[np.int64]:
    """Noise [T, C] over the whole range of that many bits."""
    limit = 2 ** (num_bits - 1)
    rng = np.random.default_rng(num_frames)
    return rng.integers(-limit, limit, (num_frames, num_channels), dtype=np.int64)


def boxed(values: NDArray[np.int64], num_bits: int, num_bytes: int, order: str = "<") -> bytes:
    """Each value as the highest `num_bits` of a box of `num_bytes`; one byte has no sign."""
    high = values.ravel() << (8 * num_bytes - num_bits)
    if num_bytes == 1:
        high = high + 128
    octets = high.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :num_bytes]
    return octets[:, :: 1 if order == "<" else -1].tobytes()


def fmt(
    num_bits: int,
    num_bytes: int,
    *,
    tag: int = 1,
    num_channels: int = 2,
    valid_bits: int | None = None,
    frame_bytes: int | None = None,
    rate_bytes: int | None = None,
    order: str = "<",
) -> bytes:
    """The content of a `fmt ` chunk; with `valid_bits`, WAVE_FORMAT_EXTENSIBLE."""
    frame_bytes = num_channels * num_bytes if frame_bytes is None else frame_bytes
    rate_bytes = RATE * frame_bytes if rate_bytes is None else rate_bytes
    head = struct.pack(
        f"{order}HHIIHH",
        tag if valid_bits is None else 0xFFFE,
        num_channels,
        RATE,
        rate_bytes,
        frame_bytes,
        num_bits,
    )
    if valid_bits is None:
        return head
    return head + struct.pack(f"{order}HHIH", 22, valid_bits, 0, tag) + GUID_TAIL


def chunk(name: bytes, content: bytes, size: int | None = None, order: str = "<") -> bytes:
    stated = len(content) if size is None else size
    return struct.pack(f"{order}4sI", name, stated) + content + bytes(len(content) % 2)


def wav(
    format_chunk: bytes,
    data: bytes,
    *,
    size: int | None = None,
    behind: bytes = b"",
    magic: bytes = b"RIFF",
    before: bytes = b"",
) -> bytes:
    order = ">" if magic == b"RIFX" else "<"
    body = before + chunk(b"fmt ", format_chunk, order=order)
    body += chunk(b"data", data, size, order) + behind
    return magic + struct.pack(f"{order}I", (4 + len(body)) % 2**32) + b"WAVE" + body


COMBINATIONS = [
    (magic, num_bits, num_bytes, valid)
    for magic, num_bytes, valid in product((b"RIFF", b"RIFX"), (1, 2, 3, 4), (False, True))
    for num_bits in range(8 * num_bytes - 7, 8 * num_bytes + 1)
]


@pytest.mark.parametrize(("magic", "num_bits", "num_bytes", "valid"), COMBINATIONS)
@pytest.mark.parametrize("num_channels", [1, 2, 3])
def test_samples_are_what_the_header_states(
    tmp_path: Path, magic: bytes, num_bits: int, num_bytes: int, valid: bool, num_channels: int
) -> None:
    order = ">" if magic == b"RIFX" else "<"
    values = integers(50, num_channels, num_bits)
    form = fmt(
        8 * num_bytes if valid else num_bits,
        num_bytes,
        num_channels=num_channels,
        valid_bits=num_bits if valid else None,
        order=order,
    )
    path = tmp_path / "a.wav"
    path.write_bytes(wav(form, boxed(values, num_bits, num_bytes, order), magic=magic))
    info = probe(path)
    assert (info.num_samples, info.bits_per_sample) == (50, num_bits)
    assert (info.num_channels, info.sample_rate) == (num_channels, RATE)
    expected = (values.T / 2 ** (num_bits - 1)).astype(np.float32)
    assert np.array_equal(read(path), expected)


@pytest.mark.parametrize(("num_bits", "num_bytes"), [(24, 4), (16, 3), (16, 4), (12, 4), (20, 4)])
@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize("num_channels", [1, 2, 5])
def test_boxes_larger_than_their_samples(
    tmp_path: Path, num_bits: int, num_bytes: int, extensible: bool, num_channels: int
) -> None:
    values = integers(50, num_channels, num_bits)
    form = fmt(
        num_bits,
        num_bytes,
        num_channels=num_channels,
        valid_bits=num_bits if extensible else None,
    )
    path = tmp_path / "a.wav"
    path.write_bytes(wav(form, boxed(values, num_bits, num_bytes)))
    assert probe(path).num_samples == 50
    assert np.array_equal(read(path), (values.T / 2 ** (num_bits - 1)).astype(np.float32))


@pytest.mark.parametrize(
    "wrong",
    [{"frame_bytes": 2}, {"frame_bytes": 0}, {"frame_bytes": 7}, {"rate_bytes": 1},
     {"rate_bytes": 0}, {"frame_bytes": 0, "rate_bytes": 0}],
)  # fmt: skip
def test_one_wrong_field_is_outvoted(tmp_path: Path, wrong: dict[str, int]) -> None:
    values = integers(50)
    form = fmt(16, 2, **{"rate_bytes": RATE * 4, **wrong})  # type: ignore[arg-type]
    path = tmp_path / "a.wav"
    path.write_bytes(wav(form, boxed(values, 16, 2)))
    assert np.array_equal(read(path), (values.T / 2**15).astype(np.float32))


@pytest.mark.parametrize(
    "contradiction",
    [
        {"num_bits": 24, "num_bytes": 4, "rate_bytes": 1234},
        {"num_bits": 16, "num_bytes": 2, "frame_bytes": 5},
        {"num_bits": 8, "num_bytes": 2},
        {"num_bits": 0, "num_bytes": 2},
        {"num_bits": 32, "num_bytes": 3},
    ],
)
def test_a_header_that_contradicts_itself_is_refused(
    tmp_path: Path, contradiction: dict[str, int]
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(fmt(**contradiction), bytes(2400)))  # type: ignore[arg-type]
    with pytest.raises(AudioReadError, match=r"contradicts itself: .* bits a sample"):
        probe(path)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("num_bytes", [4, 8])
def test_floats(tmp_path: Path, order: str, num_bytes: int) -> None:
    samples = 3 * tone(50)
    data = samples.T.astype(f"{order}f{num_bytes}").tobytes()
    form = fmt(8 * num_bytes, num_bytes, tag=3, order=order)
    path = tmp_path / "a.wav"
    path.write_bytes(wav(form, data, magic=b"RIFX" if order == ">" else b"RIFF"))
    assert np.array_equal(read(path), samples)
    assert probe(path).codec == {4: "float", 8: "double"}[num_bytes]


@pytest.mark.parametrize("codec", ["ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM"])
def test_what_is_not_linear_is_left_to_libraries(tmp_path: Path, codec: str) -> None:
    path = write_sndfile(tmp_path / "a.wav", tone(4000), subtype=codec)
    expected = soundfile.read(path, dtype="float32", always_2d=True)[0].T
    assert np.array_equal(read(path), expected)


@pytest.mark.parametrize("form", [fmt(64, 8), fmt(16, 2, tag=3)])
def test_samples_that_nobody_reads_are_refused(tmp_path: Path, form: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(form, bytes(800)))
    with pytest.raises(AudioReadError, match=r"of the kind 's64'|cannot decode"):
        list(read_blocks(path))


NEAR = (0, 1, 8, 36, 44, 4096)
PLACEHOLDERS = sorted(
    {0}
    | {0x7FFF_FFFF + d for d in NEAR} | {0x7FFF_FFFF - d for d in NEAR}
    | {0xFFFF_FFFF - d for d in NEAR}
)  # fmt: skip


def note_of(path: Path) -> str:
    return " ".join(probe(path).notes)


def heard(path: Path) -> tuple[NDArray[np.float32], Damage]:
    damage = Damage()
    blocks = list(read_blocks(path, damage=damage))
    return torch.cat(blocks, -1).numpy(), damage


@pytest.mark.parametrize("size", PLACEHOLDERS)
def test_placeholders_of_wav_promise_nothing(tmp_path: Path, size: int) -> None:
    values = integers(3000)
    path = tmp_path / "a.wav"
    path.write_bytes(wav(fmt(16, 2), boxed(values, 16, 2), size=size))
    samples, damage = heard(path)
    assert np.array_equal(samples, (values.T / 2**15).astype(np.float32))
    assert damage.missing_samples == 0
    assert note_of(path) == ""


@pytest.mark.parametrize("size", [*PLACEHOLDERS, None])
def test_placeholders_of_aiff(tmp_path: Path, size: int | None) -> None:
    values = integers(3000)
    path = write_sndfile(
        tmp_path / "a.aiff", (values.T << 16).astype(np.int32), sample_rate=RATE, subtype="PCM_16"
    )
    content = bytearray(path.read_bytes())
    common, sound = content.index(b"COMM"), content.index(b"SSND")
    if size is not None:
        struct.pack_into(">I", content, sound + 4, size)
    for frames in PLACEHOLDERS:
        struct.pack_into(">I", content, common + 10, frames)
        path.write_bytes(content)
        samples, damage = heard(path)
        assert np.array_equal(samples, (values.T / 2**15).astype(np.float32)), frames
        assert damage.missing_samples == 0


def test_aiff_with_the_right_frames_beside_a_placeholder_keeps_its_promise(tmp_path: Path) -> None:
    path = write_sndfile(tmp_path / "a.aiff", tone(3000), sample_rate=RATE, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    struct.pack_into(">I", content, content.index(b"SSND") + 4, 0)
    path.write_bytes(content[: len(content) // 2])
    assert probe(path).num_samples == 3000
    assert heard(path)[1].missing_samples > 1400


@pytest.mark.parametrize(
    ("container", "size_at", "form", "values"),
    [
        ("AU", b".snd", ">I", [0, 0xFFFF_FFFF, 0x7FFF_FFFF]),
        ("CAF", b"data", ">q", [-1, 0, 2**63 - 1]),
        ("W64", b"data\xf3\xac\xd3\x11", "<q", [0, 24, -1, 2**63 - 1]),
    ],
)
def test_placeholders_of_other_containers(
    tmp_path: Path, container: str, size_at: bytes, form: str, values: list[int]
) -> None:
    samples = tone(3000)
    path = write_sndfile(tmp_path / "a", samples, container=container, subtype="FLOAT")
    content = path.read_bytes()
    at = content.index(size_at) + {"AU": 8, "CAF": 4, "W64": 16}[container]
    for value in values:
        changed = bytearray(content)
        struct.pack_into(form, changed, at, value)
        path.write_bytes(changed)
        found, damage = heard(path)
        assert np.array_equal(found, samples), value
        assert damage.missing_samples == 0


def test_rf64_through_a_pipe(tmp_path: Path) -> None:
    values = integers(3000)
    for stated in (0, 2**64 - 1, 2**63):
        sizes = chunk(b"ds64", struct.pack("<QQQI", 0, stated, 0, 0))
        path = tmp_path / "a.wav"
        path.write_bytes(
            wav(fmt(16, 2), boxed(values, 16, 2), size=2**32 - 1, magic=b"RF64", before=sizes)
        )
        assert np.array_equal(read(path), (values.T / 2**15).astype(np.float32))
        assert heard(path)[1].missing_samples == 0


@pytest.mark.parametrize("container", ["WAV", "RF64", "AIFF", "W64", "CAF", "AU"])
@given(share=st.floats(0, 1))
def test_a_cut_is_noticed_wherever_it_is(
    tmp_path_factory: pytest.TempPathFactory, container: str, share: float
) -> None:
    path = tmp_path_factory.mktemp("cut") / "a"
    values = integers(3000, num_bits=24)
    shifted = (values.T << 8).astype(np.int32)
    write_sndfile(path, shifted, container=container, subtype="PCM_24", sample_rate=RATE)
    content = path.read_bytes()
    data = boxed(values, 24, 3, "<" if container in ("WAV", "RF64", "W64") else ">")
    num_left = round(share * (len(data) - 6))
    path.write_bytes(content[: content.index(data) + num_left])
    assert probe(path).num_samples == 3000
    if num_left < 6:
        with pytest.raises(AudioReadError, match=r"promises 0\.38 s, and nothing"):
            list(read_blocks(path))
        return
    found, damage = heard(path)
    assert np.array_equal(found, (values.T / 2**23).astype(np.float32)[:, : num_left // 6])
    assert damage.missing_samples == 3000 - num_left // 6


def test_a_header_that_was_not_brought_up_to_date(tmp_path: Path) -> None:
    values = integers(3 * RATE)
    path = tmp_path / "a.wav"
    path.write_bytes(wav(fmt(16, 2), boxed(values, 16, 2), size=4 * RATE))
    assert np.array_equal(read(path), (values.T / 2**15).astype(np.float32))
    assert note_of(path) == "states a length of 1.00 s, but 3.00 s are there, and were read."


def test_a_second_data_chunk_is_sound(tmp_path: Path) -> None:
    values = integers(2 * RATE)
    data = boxed(values, 16, 2)
    half = len(data) // 4
    path = tmp_path / "a.wav"
    behind = chunk(b"LIST", b"INFOxxxx") + chunk(b"data", data[half:])
    path.write_bytes(wav(fmt(16, 2), data[:half], behind=behind))
    assert np.array_equal(read(path), (values.T / 2**15).astype(np.float32))
    assert note_of(path) == "has its sound in 2 data chunks, which were joined."


@pytest.mark.parametrize(
    ("behind", "note"),
    [
        (b"", ""),
        (chunk(b"LIST", b"INFO"), ""),
        (chunk(b"LIST", b"INFOabc") + chunk(b"id3 ", bytes(9)), ""),
        (chunk(b"LIST", b"INFO", size=5000), ""),  # cut off
        (b"TAG" + bytes(125), ""),
        (b"ID3\x04" + bytes(9000), ""),
        (bytes(4000), ""),
        (b"\0", ""),
        (b"\xff\x01\x80\x7f" * 100, "has 0.013 s behind the end that it states, which were left "
         "out."),
    ],
)  # fmt: skip
def test_what_is_no_sound_behind_the_sound(tmp_path: Path, behind: bytes, note: str) -> None:
    values = integers(3000)
    path = tmp_path / "a.wav"
    path.write_bytes(wav(fmt(16, 2), boxed(values, 16, 2), behind=behind))
    assert np.array_equal(read(path), (values.T / 2**15).astype(np.float32))
    assert note_of(path) == note


def test_chunks_without_their_padding(tmp_path: Path) -> None:
    values = integers(3001, num_channels=1, num_bits=8)
    unpadded = b"LIST" + struct.pack("<I", 7) + b"INFOabc"
    content = b"RIFF" + bytes(4) + b"WAVE" + unpadded + chunk(b"fmt ", fmt(8, 1, num_channels=1))
    content += b"data" + struct.pack("<I", 3001) + boxed(values, 8, 1) + chunk(b"LIST", b"INFO")
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert np.array_equal(read(path), (values.T / 2**7).astype(np.float32))


def test_more_than_4_gib_behind_a_size_of_32_bits(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    num_bytes = 2**32 + 400
    with path.open("wb") as file:
        file.write(wav(fmt(16, 2), b"", size=num_bytes % 2**32))
        file.seek(num_bytes, 1)  # a hole: no disk is needed
        file.write(chunk(b"LIST", b"INFO"))
    assert probe(path).num_samples == num_bytes // 4
    assert note_of(path).endswith(f"but {num_bytes / 4 / RATE:.2f} s are there, and were read.")


def test_megabytes_without_a_sample_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(fmt(16, 2), b"", behind=chunk(b"JUNK", bytes(2_000_000))))
    with pytest.raises(AudioReadError, match="holds no sound, though it has 2000052 bytes"):
        list(read_blocks(path))


def test_channels_by_the_billion_cost_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.au"
    path.write_bytes(b".snd" + struct.pack(">IIIII", 24, 2**31, 3, RATE, 2**32 - 1) + bytes(99))
    with pytest.raises(AudioReadError, match="states 4294967295 channels"):
        probe(path)


def test_an_intact_file_without_samples_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(fmt(16, 2), b"", behind=chunk(b"LIST", b"INFO")))
    assert list(read_blocks(path)) == []


@pytest.mark.parametrize("name", ["zero", "half", "80000000"])
def test_files_as_people_have_them(name: str) -> None:
    path = SHARED_AUDIO / "odd" / f"size-{name}.wav"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    assert read(path).shape == (2, 22_050)


def test_24_bits_in_boxes_of_32_as_people_have_them() -> None:
    path = SHARED_AUDIO / "odd" / "boxes-24-in-32.wav"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    samples = read(path)
    short = soundfile.read(SHARED_AUDIO / "odd" / "list-tags.wav", dtype="float32")[0].T
    assert samples.shape == (2, 22_050)
    assert np.abs(samples - short).max() <= 2**-15


@pytest.mark.parametrize(
    ("container", "codec"),
    [("wav", "pcm_s24le"), ("w64", "pcm_s16le"), ("aiff", "pcm_s16be"), ("caf", "pcm_f32le"),
     ("au", "pcm_s16be"), ("wav", "pcm_u8"), ("wav", "pcm_f64le"), ("caf", "pcm_s24be")],
)  # fmt: skip
def test_files_of_ffmpeg_are_read_alike(tmp_path: Path, container: str, codec: str) -> None:
    path = write_pyav(tmp_path / "a", tone(5000), codec=codec, container=container)
    expected = soundfile.read(path, dtype="float32", always_2d=True)[0].T
    assert np.array_equal(read(path), expected)
    assert probe(path).notes == ()
