"""Writing: exact samples, one gain for all stems, and files that are complete or absent."""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path, PurePath

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from stemsplit.audio.channels import default_channels
from stemsplit.audio.encode import encode_pcm as pcm
from stemsplit.audio.encode.encoders import Encoding, quantise
from stemsplit.audio.source import probe, read_blocks
from stemsplit.audio.write import output_files as place
from stemsplit.audio.write.stem_stream import StemStream
from stemsplit.audio.write.writer import ClipPolicy, StemWriter, WritePolicy, WriteReport
from stemsplit.errors import AudioWriteError, OutputExistsError, UsageError
from tests.audio.songs import tone, write_sndfile

WAV24 = Encoding()
FLOAT = Encoding(subtype="32f")
ENCODINGS = [
    Encoding(container="wav", subtype="16"),
    Encoding(container="wav", subtype="24"),
    Encoding(container="flac", subtype="16"),
    Encoding(container="flac", subtype="24"),
    FLOAT,
]
CLIP_POLICIES: list[ClipPolicy] = ["common", "clamp", "none"]


def write_stems(
    folder: Path,
    stems: dict[str, Tensor],
    *,
    encoding: Encoding = WAV24,
    clip: ClipPolicy = "common",
    block_samples: int = 1000,
) -> WriteReport:
    first = next(iter(stems.values()))
    with StemWriter(
        {name: folder / f"{name}.{encoding.container}" for name in stems},
        sample_rate=44100,
        channels=default_channels(first.shape[0]),
        num_samples=first.shape[1],
        encoding=encoding,
        policy=WritePolicy(clip=clip),
    ) as writer:
        for name, stem in stems.items():
            for block in stem.split(block_samples, dim=-1):
                writer.write(name, block)
        return writer.commit()


def read(path: Path) -> Tensor:
    return torch.cat([torch.zeros(probe(path).num_channels, 0), *read_blocks(path)], dim=-1)


def on_disk(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


@pytest.mark.parametrize("num_channels", [1, 2])
@pytest.mark.parametrize("num_samples", [0, 1, 999, 1000, 1001, 5000])
@pytest.mark.parametrize("clip", CLIP_POLICIES)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_is_read_is_written_bit_for_bit(
    tmp_path: Path, encoding: Encoding, clip: ClipPolicy, num_samples: int, num_channels: int
) -> None:
    generator = torch.Generator().manual_seed(0)
    if encoding.is_float:
        song = 3 * torch.randn(num_channels, num_samples, generator=generator)
    else:
        limit = 2 ** (encoding.num_bits - 1)
        song = torch.randint(-limit, limit, (num_channels, num_samples), generator=generator)
        song = song / limit
    report = write_stems(tmp_path, {"copy": song}, encoding=encoding, clip=clip)
    path = tmp_path / f"copy.{encoding.container}"
    assert (report.gain, report.gain_db, report.num_clipped_samples) == (1.0, 0.0, 0)
    assert report.warnings == ()
    assert report.peaks["copy"] == (song.abs().max().item() if num_samples else 0)
    assert torch.equal(read(path), song)
    info = probe(path)
    assert (info.sample_rate, info.num_channels) == (44100, num_channels)
    # To FLAC, a length of zero means that it is not known.
    assert info.num_samples == (num_samples or (None if encoding.container == "flac" else 0))
    assert info.bits_per_sample == encoding.num_bits
    assert on_disk(tmp_path) == {path.name}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_libsndfile_agrees_about_the_files(tmp_path: Path, encoding: Encoding) -> None:
    song = torch.from_numpy(tone(2001, num_channels=1))
    write_stems(tmp_path, {"a": song}, encoding=encoding)
    samples, sample_rate = soundfile.read(tmp_path / f"a.{encoding.container}", dtype="float32")
    assert sample_rate == 44100
    step = 0 if encoding.is_float else 2.0 ** (1 - encoding.num_bits)
    np.testing.assert_allclose(samples, song[0].numpy(), rtol=0, atol=step / 2)


@pytest.mark.parametrize(("source", "subtype"), [("PCM_16", "16"), ("PCM_24", "24")])
@pytest.mark.parametrize("container", ["wav", "flac"])
def test_file_to_file_copy_has_identical_integers(
    tmp_path: Path, source: str, subtype: str, container: str
) -> None:
    num_bits = int(subtype)
    limit = 2 ** (num_bits - 1)
    integers = np.random.default_rng(0).integers(-limit, limit, (2, 4000), dtype=np.int32)
    path = write_sndfile(tmp_path / "in.flac", integers << (32 - num_bits), subtype=source)
    encoding = Encoding(container=container, subtype=subtype)  # type: ignore[arg-type]
    write_stems(tmp_path, {"out": read(path)}, encoding=encoding)
    copied, _ = soundfile.read(tmp_path / f"out.{container}", dtype="int32")
    assert np.array_equal(copied.T >> (32 - num_bits), integers)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_same_samples_give_the_same_bytes(tmp_path: Path, encoding: Encoding) -> None:
    song = torch.from_numpy(tone(3000))
    for name, block_samples in (("a", 100), ("b", 3000)):
        write_stems(tmp_path / name, {"x": song}, encoding=encoding, block_samples=block_samples)
    first, second = (next((tmp_path / name).iterdir()).read_bytes() for name in "ab")
    assert first == second


@pytest.mark.parametrize("container", ["wav", "flac"])
@pytest.mark.parametrize("subtype", ["16", "24"])
@pytest.mark.parametrize("peak", [1.0, 1.7, -1.0001, -3.0])
def test_one_gain_for_all_stems(tmp_path: Path, container: str, subtype: str, peak: float) -> None:
    encoding = Encoding(container=container, subtype=subtype)  # type: ignore[arg-type]
    loud, quiet = torch.from_numpy(tone(3000)), torch.from_numpy(tone(3000)) / 5
    loud[0, 1234] = peak
    report = write_stems(tmp_path, {"loud": loud, "quiet": quiet}, encoding=encoding)
    limit = 2 ** (encoding.num_bits - 1)
    expected = (limit - 1) / limit / peak if peak > 0 else -1 / peak
    assert report.gain == pytest.approx(expected, rel=1e-6)
    assert report.gain_db == pytest.approx(20 * np.log10(expected), abs=1e-5)
    assert report.num_clipped_samples == 0
    assert report.peaks["loud"] == pytest.approx(abs(peak))
    assert report.peaks["quiet"] == quiet.abs().max().item()
    for name, stem in (("loud", loud), ("quiet", quiet)):
        written = read(tmp_path / f"{name}.{container}")
        # Half a step of the integers, plus float32 rounding of the product.
        torch.testing.assert_close(written, stem * report.gain, rtol=1e-6, atol=0.5 / limit + 1e-7)
    assert read(tmp_path / f"loud.{container}").abs().max() >= 1 - 1.5 / limit


@pytest.mark.parametrize(("clip", "num_warnings"), [("clamp", 0), ("none", 1)])
def test_saturation_is_counted(tmp_path: Path, clip: ClipPolicy, num_warnings: int) -> None:
    song = torch.tensor([[0.5, 1.0, -1.0, 2.0, -2.0, 0.25]])
    encoding = Encoding(subtype="16")
    report = write_stems(tmp_path, {"a": song}, encoding=encoding, clip=clip)
    assert (report.gain, report.num_clipped_samples) == (1.0, 3)
    top = 32767 / 32768
    expected = torch.tensor([[0.5, top, -1.0, top, -1.0, 0.25]])
    assert torch.equal(read(tmp_path / "a.wav"), expected)
    assert len(report.warnings) == num_warnings
    assert all("3 samples were beyond full scale" in text for text in report.warnings)


@given(st.integers(-(2**23), 2**23 - 1))
def test_24_bit_integers_survive_quantisation(value: int) -> None:
    integers, num_cut = quantise(torch.tensor([value / 2**23]), 24)
    assert (int(integers[0]), num_cut) == (value, 0)


@pytest.mark.parametrize("encoding", [e for e in ENCODINGS if e.container == "wav"])
def test_rf64_where_the_sizes_do_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: Encoding
) -> None:
    song = torch.from_numpy(tone(5001, num_channels=1))
    write_stems(tmp_path, {"riff": song}, encoding=encoding)
    monkeypatch.setattr(pcm, "RIFF_LIMIT_BYTES", 5000)
    write_stems(tmp_path, {"rf64": song}, encoding=encoding)
    assert soundfile.info(tmp_path / "riff.wav").format == "WAV"
    assert soundfile.info(tmp_path / "rf64.wav").format == "RF64"
    assert torch.equal(read(tmp_path / "rf64.wav"), read(tmp_path / "riff.wav"))
    head = (tmp_path / "rf64.wav").read_bytes()[:28]
    assert int.from_bytes(head[20:28], "little") == (tmp_path / "rf64.wav").stat().st_size - 8


def test_existing_file_is_an_error_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "b.wav").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"b\.wav already exists\. Use `overwrite`"):
        write_stems(tmp_path, {"a": torch.zeros(1, 5), "b": torch.zeros(1, 5)})
    assert on_disk(tmp_path) == {"b.wav"}
    assert (tmp_path / "b.wav").read_text() == "mine"


def open_writer(
    folder: Path, *names: str, overwrite: bool = False, clip: ClipPolicy = "common"
) -> StemWriter:
    return StemWriter(
        {name: folder / f"{name}.wav" for name in names},
        sample_rate=44100,
        channels=default_channels(1),
        num_samples=5,
        encoding=WAV24,
        policy=WritePolicy(clip=clip, may_replace=lambda _path: overwrite),
    )


@pytest.mark.parametrize("links_work", [True, False])
def test_file_that_appears_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links_work: bool
) -> None:
    def refuse(*_args: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not links_work:
        monkeypatch.setattr(os, "link", refuse)
    with open_writer(tmp_path, "a", "b") as writer:
        for name in "ab":
            writer.write(name, torch.zeros(1, 5))
        (tmp_path / "b.wav").write_text("mine")
        with pytest.raises(OutputExistsError, match=r"b\.wav already exists"):
            writer.commit()
    # The first stem was in place already, and is taken back.
    assert on_disk(tmp_path) == {"b.wav"}
    assert (tmp_path / "b.wav").read_text() == "mine"


def test_disk_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    write_stems(tmp_path, {"a": torch.zeros(1, 5)})
    assert on_disk(tmp_path) == {"a.wav"}


def test_overwrite_replaces(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("old")
    with open_writer(tmp_path, "a", overwrite=True) as writer:
        writer.write("a", torch.full((1, 5), 0.5))
        assert (tmp_path / "a.wav").read_text() == "old"
        writer.commit()
    assert torch.equal(read(tmp_path / "a.wav"), torch.full((1, 5), 0.5))


@pytest.mark.parametrize("clip", CLIP_POLICIES)
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_leaving_without_commit_leaves_nothing(
    tmp_path: Path, clip: ClipPolicy, error: type[BaseException]
) -> None:
    folder = tmp_path / "deep" / "er"

    def separate() -> None:
        with open_writer(folder, "a", "b", clip=clip) as writer:
            writer.write("a", torch.zeros(1, 3))
            assert {path.name[:11] for path in folder.iterdir()} == {".stemsplit-"}
            raise error

    with pytest.raises(error):
        separate()
    assert on_disk(tmp_path) == set()


def test_folders_with_other_files_stay(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with open_writer(folder, "a"):
        (folder / "notes.txt").write_text("mine")
    assert on_disk(tmp_path) == {"new", "notes.txt"}


def test_wrong_lengths_and_shapes_are_programming_errors(tmp_path: Path) -> None:
    with open_writer(tmp_path, "a") as writer:
        writer.write("a", torch.zeros(1, 4))
        with pytest.raises(ValueError, match="'a' has 4 of 5 samples"):
            writer.commit()
        with pytest.raises(ValueError, match=r"expected a block \[1, T\], got \(2, 1\)"):
            writer.write("a", torch.zeros(2, 1))
    with pytest.raises(ValueError, match="the same path"):
        StemWriter(
            {"a": tmp_path / "x.wav", "b": tmp_path / "x.wav"},
            sample_rate=44100,
            channels=default_channels(1),
            num_samples=1,
            encoding=WAV24,
        )
    assert on_disk(tmp_path) == set()


def test_samples_that_are_not_numbers(tmp_path: Path) -> None:
    with (
        pytest.raises(AudioWriteError, match="'a' has samples that are not finite"),
        open_writer(tmp_path, "a") as writer,
    ):
        writer.write("a", torch.tensor([[0.0, float("nan")]]))


def test_parent_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "sub"):
        with pytest.raises(AudioWriteError, match=r"a\.wav could not be written: Not a directory"):
            write_stems(folder, {"a": torch.zeros(1, 5)})


def test_target_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.wav").mkdir()
    with pytest.raises(OutputExistsError, match=r"a\.wav is a folder"):
        open_writer(tmp_path, "a", overwrite=True)


def test_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(AudioWriteError, match="File name too long") as caught:
        open_writer(tmp_path, "a" * 300)
    assert "`template`" in caught.value.hint


def test_folder_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(AudioWriteError, match="could not be written: Permission denied"):
        write_stems(tmp_path / "new", {"a": torch.zeros(1, 5)})
    assert on_disk(tmp_path) == set()


@pytest.mark.parametrize("clip", CLIP_POLICIES)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_disk_that_fills_up(tmp_path: Path, encoding: Encoding, clip: ClipPolicy) -> None:
    resource = pytest.importorskip("resource")
    # A limit on file sizes stands in for a full disk: the same call fails in the same way.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = torch.rand(2, 100_000, generator=torch.Generator().manual_seed(0)) - 0.5
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(AudioWriteError, match="could not be written") as caught:
            write_stems(tmp_path / "new", {"a": noise}, encoding=encoding, clip=clip)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "another disk" in caught.value.hint or "write elsewhere" in caught.value.hint
    assert on_disk(tmp_path) == set()


def test_rename_that_fails_midway_takes_back_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = Path.replace

    def fail_for_last(part: Path, target: Path) -> Path:
        if target.name == "c.wav":
            raise OSError(errno.EIO, "Input/output error")
        return genuine(part, target)

    (tmp_path / "a.wav").write_text("old")
    monkeypatch.setattr(Path, "replace", fail_for_last)
    message = r"c\.wav could not be written: Input/output error"
    with open_writer(tmp_path, "a", "b", "c", overwrite=True) as writer:
        for name in "abc":
            writer.write(name, torch.zeros(1, 5))
        with pytest.raises(AudioWriteError, match=message):
            writer.commit()
    # a.wav had been replaced already: there is no old file to go back to, so the new one stays.
    assert on_disk(tmp_path) == {"a.wav"}


@pytest.mark.parametrize("name", ["with space", "żółć 🎸", "-n", "trailing dot."])
def test_any_file_name(tmp_path: Path, name: str) -> None:
    write_stems(tmp_path, {name: torch.zeros(2, 10)})
    assert on_disk(tmp_path) == {f"{name}.wav"}


def test_new_files_have_ordinary_permissions(tmp_path: Path) -> None:
    write_stems(tmp_path, {"a": torch.zeros(2, 10)})
    (tmp_path / "plain").write_text("x")
    assert (tmp_path / "a.wav").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    ("container", "subtype", "message"),
    [
        ("flac", "32f", "FLAC stores integers only"),
        ("wma", "24", "Unknown output format 'wma'"),
        ("wav", "12", "Unknown bit depth '12'"),
    ],
)
def test_encodings_that_do_not_exist(container: str, subtype: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        Encoding(container=container, subtype=subtype)  # type: ignore[arg-type]
    assert caught.value.hint


def test_hints_cover_the_usual_reasons() -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(AudioWriteError, match="Free some space"), place.writing(Path("a.wav")):
        raise full


def test_streams_completed_side_by_side_share_no_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While `list.remove` compares paths, another thread may remove one, and all of them move."""
    compare = PurePath.__eq__

    def slowly(path: PurePath, other: object) -> bool:
        time.sleep(0.001)
        return compare(path, other)

    monkeypatch.setattr(PurePath, "__eq__", slowly)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    for number in range(6):
        folder = tmp_path / str(number)
        write_stems(folder, {f"stem{index}": torch.zeros(1, 1) for index in range(16)})
        assert len(on_disk(folder)) == 16


@pytest.mark.parametrize("encoding", [WAV24, Encoding(container="flac"), FLOAT])
def test_a_folder_that_another_track_removes_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: Encoding
) -> None:
    """Tracks that fail side by side remove the folders that they made, if these are empty."""
    really_open = StemStream.open
    removed = []

    def open_late(stream: StemStream) -> None:
        if not removed:
            removed.append(stream.path.parent)
            stream.path.parent.rmdir()
        really_open(stream)

    monkeypatch.setattr(StemStream, "open", open_late)
    write_stems(tmp_path / "drums", {"drums": torch.zeros(2, 100)}, encoding=encoding, clip="none")
    assert removed
    assert on_disk(tmp_path / "drums") == {f"drums.{encoding.container}"}


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What was synced, and what got a name, in order: by the names that the files had then."""
    seen: list[tuple[str, str]] = []
    fsync, link, rename = os.fsync, os.link, Path.replace

    def note_sync(descriptor: int) -> None:
        fsync(descriptor)
        seen.append(("sync", os.readlink(f"/proc/self/fd/{descriptor}")))  # noqa: PTH115

    def note_link(part: Path, path: Path) -> None:
        link(part, path)
        seen.append((f"name {path}", str(part)))

    def note_rename(part: Path, path: Path) -> Path:
        seen.append((f"name {path}", str(part)))
        return rename(part, path)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "link", note_link)
    monkeypatch.setattr(Path, "replace", note_rename)
    return seen


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc for names")
@pytest.mark.parametrize("encoding", [WAV24, FLOAT, Encoding(container="mp3")])
def test_contents_are_on_the_disk_before_names_and_names_at_the_end(
    tmp_path: Path, steps: list[tuple[str, str]], encoding: Encoding
) -> None:
    stems = {name: torch.from_numpy(tone(3000)) for name in ("drums", "bass")}
    write_stems(tmp_path / "new" / "song", stems, encoding=encoding)
    named = [index for index, (what, _) in enumerate(steps) if what.startswith("name")]
    assert [steps[index][0] for index in named] == [
        f"name {tmp_path}/new/song/{name}.{encoding.container}" for name in stems
    ]
    for index in named:
        assert ("sync", steps[index][1]) in steps[: named[0]]
    assert ("sync", f"{tmp_path}/new/song") in steps[named[-1] :]
    assert {("sync", str(tmp_path)), ("sync", f"{tmp_path}/new")} <= set(steps[: named[0]])


def test_a_disk_that_loses_what_was_written_is_full_or_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Network disks say only at the end that there was no room."""

    def fail(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder = tmp_path / "song"
    folder.mkdir()
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(AudioWriteError, match=r"drums\.wav could not be written: No space left"):
        write_stems(folder, {"drums": torch.zeros(2, 100)})
    assert on_disk(folder) == set()
