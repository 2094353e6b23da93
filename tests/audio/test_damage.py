"""Files that are damaged in the middle: silence there, and everything else where it was."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stemsplit.audio.containers.ogg_pages import has_holes
from stemsplit.audio.decode.damage import Damage
from stemsplit.audio.decode.frames import Frame
from stemsplit.audio.decode.gaps import CountedGaps, TimedGaps, on_time
from stemsplit.audio.source import probe, read_blocks
from tests.audio.songs import Samples, band_noise, write_pyav, write_sndfile

pytestmark = pytest.mark.slow

SECONDS = 6
DAMAGED_BYTES = 3000
RATE = 48_000


@dataclass(frozen=True)
class Kind:
    """`lost_seconds`: the most that is lost; a resynchronisation takes some containers seconds."""

    codec: str
    container: str
    lost_seconds: float = 0.5
    options: tuple[tuple[str, str], ...] = ()


FAST_START = (("movflags", "+faststart"),)
KINDS = {
    "flac": Kind("flac", "flac"),
    "mp3": Kind("libmp3lame", "mp3"),
    "mp3 without a tag": Kind("libmp3lame", "mp3", options=(("write_xing", "0"),)),
    "mp2": Kind("mp2", "mp2"),
    "ac3": Kind("ac3", "ac3"),
    "ogg flac": Kind("flac", "ogg", 1.1),
    "opus": Kind("libopus", "ogg", 2.1),
    "wv": Kind("wavpack", "wv", 1.1),
    "webm": Kind("libopus", "webm", 2.1),
    "mka flac": Kind("flac", "matroska"),
    "mka aac": Kind("aac", "matroska", 2.1),
    "mka mp3": Kind("libmp3lame", "matroska", 2.1),
    "wma": Kind("wmav2", "asf"),
    "m4a": Kind("aac", "mp4", options=FAST_START),
    "flac in mp4": Kind("flac", "mp4", options=FAST_START),
    "opus in mp4": Kind("libopus", "mp4", options=FAST_START),
    "m4a in fragments": Kind("aac", "mp4", options=(("movflags", "+frag_keyframe+empty_moov"),)),
    "flv": Kind("aac", "flv"),
    "ts": Kind("aac", "mpegts", 1.1),
    "mpg": Kind("mp2", "mpeg"),
    "avi mp3": Kind("libmp3lame", "avi"),
    "avi ac3": Kind("ac3", "avi"),
    "mp3 in wav": Kind("libmp3lame", "wav"),
    "tta": Kind("tta", "tta", 1.1),
}


def song() -> Samples:
    noise = band_noise(SECONDS * RATE, top_hz=9000, sample_rate=RATE, num_channels=2)
    return (noise + 0.05 * np.sin(np.arange(SECONDS * RATE) / 20)).astype(np.float32)


def make(folder: Path, kind: str) -> Path:
    k = KINDS[kind]
    rate = 44_100 if k.container == "flv" else RATE
    return write_pyav(
        folder / "song",
        song(),
        codec=k.codec,
        container=k.container,
        sample_rate=rate,
        options=dict(k.options),
    )


def read(path: Path) -> tuple[NDArray[np.float32], Damage]:
    damage = Damage()
    return torch.cat(list(read_blocks(path, damage=damage)), dim=-1).numpy(), damage


def zero(path: Path, num_bytes: int = DAMAGED_BYTES) -> None:
    """Has so many bytes in the middle of the file be 0."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + num_bytes] = bytes(num_bytes)
    path.write_bytes(content)


def check(path: Path, lost_seconds: float) -> None:
    whole, damage = read(path)
    assert damage.warnings("song", RATE) == []
    zero(path)
    damaged, damage = read(path)
    again, _ = read(path)
    rate = probe(path).sample_rate
    assert np.array_equal(damaged, again)
    assert damaged.shape == whole.shape
    assert not damage.missing_samples
    assert 0 < sum(loss.num_samples for loss in damage.losses) <= lost_seconds * rate
    first, last = damage.losses[0], damage.losses[-1]
    end = last.start + last.num_samples
    assert first.start < whole.shape[-1] / 2 + 0.2 * rate
    assert not damaged[:, first.start : first.start + first.num_samples].any()
    for part in (slice(first.start - rate // 2), slice(end + rate // 5, -rate // 5)):
        # AC-3 fills up with noise of its own.
        alike = np.corrcoef(damaged[0, part], whole[0, part])[0, 1]
        assert alike > 0.98, f"{alike} at {part}"
    (said,) = damage.warnings("song", rate)
    assert said.startswith(f"song is damaged at {first.start / rate:.2f}")


@pytest.mark.parametrize("kind", KINDS)
def test_damage_moves_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str) -> None:
    check(make(tmp_path, kind), KINDS[kind].lost_seconds)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("codec", ["alac", "pcm_s16le"])
def test_damage_that_can_be_decoded_is_heard_and_moves_nothing(tmp_path: Path, codec: str) -> None:
    path = write_pyav(
        tmp_path / "song", song(), codec=codec, container="mov", options=dict(FAST_START)
    )
    whole, _ = read(path)
    zero(path)
    damaged, _ = read(path)
    assert damaged.shape == whole.shape
    for part in (slice(2 * RATE), slice(4 * RATE, None)):
        assert np.array_equal(damaged[:, part], whole[:, part])


@pytest.mark.parametrize("num_channels", [1, 2, 6])
@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_damage_of_ogg_by_libsndfile_moves_nothing(
    tmp_path: Path, subtype: str, num_channels: int
) -> None:
    if subtype == "OPUS" and num_channels == 6:
        pytest.skip("libsndfile writes no Opus with six channels")
    samples = np.concatenate([song()] * 3)[:num_channels]
    path = write_sndfile(
        tmp_path / "song", samples, sample_rate=RATE, container="OGG", subtype=subtype
    )
    assert not has_holes(path)
    check(path, 2.1)
    assert has_holes(path)


@pytest.mark.parametrize("kind", ["m4a", "mka flac", "wv", "tta", "flac in mp4"])
def test_the_first_frames_may_be_lost_too(tmp_path: Path, kind: str) -> None:
    path = make(tmp_path, kind)
    whole, _ = read(path)
    with av.open(path) as file:
        packets = [(packet.pos, packet.size) for packet in file.demux(audio=0) if packet.size][:3]
    content = bytearray(path.read_bytes())
    for at, num_bytes in packets:
        content[at + 40 : at + num_bytes] = bytes(num_bytes - 40)
    path.write_bytes(content)
    damaged, damage = read(path)
    assert damaged.shape == whole.shape
    assert damage.losses[0].start == 0
    after = slice(4 * RATE, None)
    assert np.corrcoef(damaged[0, after], whole[0, after])[0, 1] > 0.98


def test_mp3_files_that_were_joined_with_their_tags_have_no_gap(tmp_path: Path) -> None:
    options = {"write_xing": "0", "write_id3v2": "0"}
    one = write_pyav(tmp_path / "one", song(), codec="libmp3lame", container="mp3", options=options)
    tag = b"ID3\x04\0\0" + bytes([0, 0, 100, 0]) + b"\x01" * (100 << 7)
    path = tmp_path / "song"
    path.write_bytes(one.read_bytes() + b"TAG".ljust(128, b"\0") + tag + one.read_bytes())
    samples, damage = read(path)
    assert not damage.losses
    assert abs(samples.shape[-1] - 2 * SECONDS * RATE) < 6000


def frame(
    time: float | None,
    num_samples: int = 1000,
    *,
    lost_bytes: int = 0,
    lost_samples: float = 0,
    read_bytes: int = 100_000,
    packet_at: int = 0,
) -> Frame:
    return Frame(
        samples=torch.ones(1, num_samples),
        time=time,
        first_time=0.0,
        lost_bytes=lost_bytes,
        lost_samples=lost_samples,
        lost_from=0,
        packet_at=packet_at,
        read_bytes=read_bytes,
    )


def timed(
    *frames: Frame, time_base: Fraction = Fraction(1, 1000), most: int | None = None
) -> tuple[int, list[tuple[int, int]]]:
    """The length that these frames come to at 1000 Hz, and the gaps in it."""
    damage = Damage()
    gaps = TimedGaps(damage, sample_rate=1000, time_base=time_base, most=most)
    num_samples = sum(block.shape[-1] for block in gaps.filled(frames))
    return num_samples, [(loss.start, loss.num_samples) for loss in damage.losses]


def test_a_gap_is_filled_where_bytes_were_passed_over() -> None:
    frames = [frame(0), frame(1000), frame(3000, lost_bytes=60_000)]
    assert timed(*frames) == (4000, [(2000, 1000)])


def test_a_gap_is_filled_where_a_packet_cannot_be_decoded() -> None:
    assert timed(frame(70), frame(2070, lost_samples=1000)) == (3000, [(1000, 1000)])


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([frame(0), frame(1000), frame(9000)], id="nothing was passed over"),
        pytest.param([frame(5000), frame(6000)], id="a late start"),
        pytest.param([frame(0), frame(None), frame(2000)], id="no time"),
        pytest.param([frame(0), frame(900), frame(2000)], id="an overlap"),
        pytest.param([frame(9000), frame(0, lost_bytes=9000)], id="a new count"),
        pytest.param([frame(0), frame(1003), frame(1998)], id="jitter"),
        pytest.param(
            [frame(0), frame(3_600_000, lost_bytes=3000, read_bytes=9000)], id="too much for that"
        ),
    ],
)
def test_other_time_stamps_change_nothing(frames: list[Frame]) -> None:
    assert timed(*frames) == (1000 * len(frames), [])


def test_a_gap_does_not_lead_beyond_the_promised_end() -> None:
    frames = [frame(0), frame(2000, lost_bytes=50_000)]
    assert timed(*frames, most=3000) == (3000, [(1000, 1000)])
    assert timed(*frames, most=2999) == (2000, [])


def test_a_gap_is_whole_frames_where_time_stamps_are_coarse() -> None:
    frames = [frame(0, 960), frame(960, 960), frame(2875, 960, lost_bytes=60_000)]
    assert timed(*frames, time_base=Fraction(1, 200)) == (3840, [(1920, 960)])


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(-(2**63), 2**63)),
            st.integers(1, 1000),
            st.integers(0, 10_000),
        ),
        max_size=30,
    )
)
def test_hostile_time_stamps_make_no_more_silence_than_bytes_justify(
    stamps: list[tuple[int | None, int, int]],
) -> None:
    frames, read_bytes = [], 0
    for time, num_samples, lost_bytes in stamps:
        read_bytes += lost_bytes + 100
        stamp = None if time is None else float(time)
        frames.append(frame(stamp, num_samples, lost_bytes=lost_bytes, read_bytes=read_bytes))
    num_samples, _ = timed(*frames)
    good = sum(each.num_samples for each in frames)
    lost = sum(each.lost_bytes for each in frames)
    # 100 bytes hold 1000 samples at most here.
    assert good - 5 * len(frames) <= num_samples <= good + 8 * 10 * lost + 5 * len(frames)


def test_ogg_pages_behind_a_lost_one_are_late_at_once() -> None:
    lost = frame(1000, lost_bytes=900, packet_at=3)
    frames = [frame(0, packet_at=1), lost, frame(2000, packet_at=3), frame(7000, packet_at=4)]
    assert [each.time for each in on_time(frames)] == [0, 5000, 6000, 7000]
    intact = [frame(0), frame(1000), frame(7000)]
    assert [each.time for each in on_time(intact)] == [0, 1000, 7000]


def test_lost_frames_are_counted_by_their_bytes() -> None:
    def counted(promised: int | None) -> int:
        frames = [
            *[frame(None, read_bytes=1000 * (n + 1)) for n in range(5)],
            frame(None, lost_bytes=3100, read_bytes=9100),
        ]
        gaps = CountedGaps(
            Damage(), peek=lambda _: b"\0" * 16, promised=promised, survey=lambda: frames
        )
        return sum(block.shape[-1] for block in gaps.filled(frames))

    # read_bytes ends behind the frame that is just decoded.
    assert counted(None) == 6000 + 3000
    assert counted(10_000) == 6000 + 4000
    assert counted(6000) == 6000 + 2000
    assert counted(3000) == 6000


def test_wavpack_goes_on_behind_any_hole(tmp_path: Path) -> None:
    whole = write_pyav(tmp_path / "song", song(), codec="wavpack", container="wv").read_bytes()
    path = tmp_path / "song"
    intact, _ = read(path)
    blocks = [at for at in range(len(whole)) if whole.startswith(b"wvpk", at)]
    for num_bytes in (1, 31, 32, 5000):  # more of nothing between two blocks
        path.write_bytes(whole[: blocks[3]] + bytes(num_bytes) + whole[blocks[3] :])
        samples, _ = read(path)
        assert samples.shape == intact.shape
        assert np.array_equal(samples[:, RATE * 3 :], intact[:, RATE * 3 :])
    path.write_bytes(whole[: blocks[2]] + whole[blocks[4] :])
    samples, _ = read(path)
    assert samples.shape[-1] < intact.shape[-1]  # nothing says that there was more than a cut
