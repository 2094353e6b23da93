"""Files that end too early: every container that knows its length is believed."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from stemsplit.audio.containers.mp4_boxes import read_audio_media
from stemsplit.audio.decode.claims import Claim, read_claim
from stemsplit.audio.decode.damage import Damage
from stemsplit.audio.source import probe, read_blocks
from stemsplit.errors import AudioReadError
from tests.audio.songs import SHARED_AUDIO, band_noise, tone, write_pyav, write_sndfile

pytestmark = pytest.mark.slow

RATE = 48_000
SECONDS = 6
NUM_SAMPLES = SECONDS * RATE

FAST_START = {"movflags": "+faststart"}
FRAGMENTS = {"movflags": "+frag_keyframe+empty_moov", "frag_duration": "1000000"}

BY_FFMPEG: dict[str, tuple[str, str, dict[str, str]]] = {
    "flac": ("flac", "flac", {}),
    "mp3": ("libmp3lame", "mp3", {}),
    "aac": ("aac", "adts", {}),
    "wv": ("wavpack", "wv", {}),
    "tta": ("tta", "tta", {}),
    "webm": ("libopus", "webm", {}),
    "mka flac": ("flac", "matroska", {}),
    "mka aac": ("aac", "matroska", {}),
    "wma": ("wmav2", "asf", {}),
    "avi mp3": ("libmp3lame", "avi", {}),
    "avi pcm": ("pcm_s16le", "avi", {}),
    "m4a": ("aac", "mp4", FAST_START),
    "alac": ("alac", "mp4", FAST_START),
    "m4a in fragments": ("aac", "mp4", FRAGMENTS),
    "ogg flac": ("flac", "ogg", {}),
    "opus": ("libopus", "ogg", {}),
    "rm": ("ac3", "rm", {}),
    "mp3 in wav": ("libmp3lame", "wav", {}),
    "w64": ("pcm_s16le", "w64", {}),
    "caf": ("pcm_s16le", "caf", {}),
    "aiff": ("pcm_s16be", "aiff", {}),
}
BY_LIBSNDFILE = {
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mu-law in w64": ("W64", "ULAW"),
    "mu-law in aiff": ("AIFF", "ULAW"),
    "mu-law in caf": ("CAF", "ULAW"),
    "mu-law in au": ("AU", "ULAW"),
    "ADPCM in wav": ("WAV", "MS_ADPCM"),
    "alac in caf": ("CAF", "ALAC_16"),
}


def song(num_samples: int = NUM_SAMPLES) -> np.ndarray:
    noise = band_noise(num_samples, top_hz=9000, sample_rate=RATE, num_channels=2)
    return (noise + 0.1 * tone(num_samples)).astype(np.float32)


def said(path: Path) -> list[str]:
    damage = Damage()
    for _ in read_blocks(path, damage=damage):
        pass
    return damage.warnings("song", probe(path).sample_rate)


def check(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert said(path) == []
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    (warning,) = said(path)
    assert warning.startswith("song seems cut off")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", BY_FFMPEG)
def test_a_cut_off_file_is_warned_of(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    codec, container, options = BY_FFMPEG[kind]
    check(
        write_pyav(
            tmp_path / "song",
            song(),
            codec=codec,
            container=container,
            sample_rate=RATE,
            options=options,
        ),
        capfd,
    )


@pytest.mark.parametrize("kind", [kind for kind in BY_LIBSNDFILE if kind != "alac in caf"])
def test_a_cut_off_file_by_libsndfile_is_warned_of(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    container, subtype = BY_LIBSNDFILE[kind]
    path = tmp_path / "song"
    check(
        write_sndfile(path, song(), sample_rate=RATE, container=container, subtype=subtype), capfd
    )


def test_whole_apple_lossless_in_caf_is_not_warned_of(tmp_path: Path) -> None:
    container, subtype = BY_LIBSNDFILE["alac in caf"]
    path = tmp_path / "song"
    write_sndfile(path, song(), sample_rate=RATE, container=container, subtype=subtype)
    assert said(path) == []


@pytest.mark.parametrize("container", ["webm", "matroska", "asf", "flv", "mpegts", "wv"])
def test_a_whole_stream_that_does_not_know_its_length_is_not_warned_of(
    tmp_path: Path, container: str
) -> None:
    codec = {"asf": "wmav2", "wv": "wavpack", "webm": "libopus"}.get(container, "aac")

    class Pipe:
        """Where nobody can go back to the header."""

        def __init__(self) -> None:
            self.content = b""

        def write(self, data: bytes) -> int:
            self.content += data
            return len(data)

    pipe = Pipe()
    rate = 44_100 if container == "flv" else RATE
    with av.open(pipe, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout="stereo", bit_rate=128_000)
        samples = np.ascontiguousarray(song().T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="flt", layout="stereo")
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.codec_context.format.name, "stereo", rate)
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            file.mux(stream.encode(part))
    path = tmp_path / "song"
    path.write_bytes(pipe.content)
    assert said(path) == []


def write_video(
    path: Path, container: str, video_codec: str, audio_codec: str, *, seconds: int
) -> Path:
    """A video of so many seconds with sound in its first six only."""
    with av.open(path, "w", format=container) as file:
        video = file.add_stream(video_codec, rate=10)
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        audio = file.add_stream(audio_codec, rate=44_100, layout="stereo", bit_rate=128_000)
        rng = np.random.default_rng(0)
        # In turns, as players expect them.
        samples = np.ascontiguousarray(song()[:, : SECONDS * 44_100].T)
        for second in range(seconds):
            for _ in range(10):
                image = rng.integers(0, 255, (64, 64, 3), np.uint8)
                file.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            part = samples[second * 44_100 : (second + 1) * 44_100].reshape(1, -1)
            if not part.size:
                continue
            frame = av.AudioFrame.from_ndarray(part, format="flt", layout="stereo")
            frame.sample_rate = 44_100
            frame.pts = second * 44_100
            resampler = av.AudioResampler(audio.codec_context.format.name, "stereo", 44_100)
            for piece in [*resampler.resample(frame), *resampler.resample(None)]:
                file.mux(audio.encode(piece))
        for stream in (video, audio):
            file.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("container", "video_codec", "audio_codec"),
    [
        ("matroska", "mpeg4", "aac"),
        ("avi", "mpeg4", "libmp3lame"),
        ("flv", "flv1", "aac"),
        ("asf", "wmv2", "wmav2"),
    ],
)
def test_a_video_may_be_longer_than_its_sound(
    tmp_path: Path, container: str, video_codec: str, audio_codec: str
) -> None:
    path = write_video(tmp_path / "song", container, video_codec, audio_codec, seconds=9)
    assert said(path) == []
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 3])
    assert said(path)[0].startswith("song seems cut off")


@pytest.mark.parametrize("num_joined", [1, 2])
def test_each_stream_of_ogg_has_its_end(tmp_path: Path, num_joined: int) -> None:
    path = tmp_path / "song"
    with av.open(path, "w", format="ogg") as file:
        streams = [file.add_stream("flac", rate=RATE, layout="stereo") for _ in range(2)]
        packed = np.ascontiguousarray((song() * 2**15).astype(np.int16).T).reshape(1, -1)
        for start in range(0, packed.size, 2 * RATE):
            for stream in streams:
                part = packed[:, start : start + 2 * RATE]
                frame = av.AudioFrame.from_ndarray(part, format="s16", layout="stereo")
                frame.sample_rate, frame.pts = RATE, start // 2
                file.mux(stream.encode(frame))
        for stream in streams:
            file.mux(stream.encode(None))
    one = path.read_bytes()
    path.write_bytes(one * num_joined)
    assert said(path) == []
    last = path.read_bytes().rfind(b"OggS")
    path.write_bytes(path.read_bytes()[:last])  # the other stream has ended
    assert said(path)[0].startswith("song seems cut off after")


def test_the_promised_length_is_said() -> None:
    path = SHARED_AUDIO / "odd" / "cut.webm"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    (warning,) = said(path)
    assert warning.startswith("song seems cut off: its header promises 3.01 s")


@pytest.mark.parametrize("seconds", [0.3, 1.0])
def test_half_a_second_may_be_missing_where_seconds_are_counted(
    tmp_path: Path, seconds: float
) -> None:
    path = write_pyav(
        tmp_path / "song", song(), codec="libopus", container="webm", sample_rate=RATE
    )
    whole = path.read_bytes()
    path.write_bytes(whole[: -round(len(whole) * seconds / SECONDS)])
    assert bool(said(path)) == (seconds > 0.5)


def test_a_stream_that_turns_up_late_is_passed_over(tmp_path: Path) -> None:
    path = write_pyav(
        tmp_path / "song", song(44_100), codec="aac", container="flv", sample_rate=44_100
    )
    num_samples = sum(block.shape[-1] for block in read_blocks(path))
    whole = path.read_bytes()
    picture = b"\x12\0\0"  # of H.263, in a tag of its own among those of the sound
    tag = b"\x09" + len(picture).to_bytes(3, "big") + bytes(7) + picture
    tag += len(tag).to_bytes(4, "big")
    # After half of the tags; each says how long it is.
    at = 13
    while at < len(whole) // 2:
        at += int.from_bytes(whole[at + 1 : at + 4], "big") + 15
    path.write_bytes(whole[:at] + tag + whole[at:])
    assert sum(block.shape[-1] for block in read_blocks(path)) == num_samples


def test_lists_in_lists_without_end_are_no_crash(tmp_path: Path) -> None:
    lists = b""
    for _ in range(5_000):
        lists = b"LIST" + struct.pack("<I", len(lists) + 4) + b"hdrl" + lists
    path = tmp_path / "song.avi"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(lists) + 4) + b"AVI " + lists)
    assert read_claim(path, "avi") == Claim(audio_seconds=())
    with pytest.raises(AudioReadError):
        probe(path)


def test_boxes_in_boxes_without_end_are_no_crash(tmp_path: Path) -> None:
    boxes = b""
    for _ in range(5_000):
        boxes = struct.pack(">I", len(boxes) + 8) + b"moov" + boxes
    path = tmp_path / "song.m4a"
    path.write_bytes(boxes)
    assert read_audio_media(path) == []
    with pytest.raises(AudioReadError):
        probe(path)
    path.write_bytes(struct.pack(">I", 0xFFFF_FFF0) + b"moov")  # a hole is enough for it
    assert read_audio_media(path) == []
