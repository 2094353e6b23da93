from __future__ import annotations

import os
from pathlib import Path

import pytest

from stemsplit.batch.discover import discover
from stemsplit.batch.record_file import (
    SCHEMA,
    missing_outputs,
    read_record,
    recorded_outputs,
    write_record,
)
from stemsplit.batch.song import Song
from tests.audio.songs import tone, write_sndfile


def make_song(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_sndfile(path, tone(100))


def test_named_files_are_taken_as_they_are_and_once(tmp_path: Path) -> None:
    song = make_song(tmp_path / "a.wav")
    found = discover([song, tmp_path / "missing.mp3", tmp_path / "." / "a.wav"])
    assert found.songs == (Song(song), Song(tmp_path / "missing.mp3"))


def test_a_folder_gives_audio_by_content_in_order(tmp_path: Path) -> None:
    for name in ("b/2.wav", "b/1.wav", "a.wav", ".git/x.wav", "b/.hidden.wav"):
        make_song(tmp_path / name)
    make_song(tmp_path / "odd.wav").rename(tmp_path / "music without a suffix")
    (tmp_path / "cover.jpg").write_text("not music")
    found = discover([tmp_path])
    assert [(song.path.name, song.subfolder) for song in found.songs] == [
        ("a.wav", ""),
        ("music without a suffix", ""),
        ("1.wav", "b"),
        ("2.wav", "b"),
    ]
    assert found.num_skipped == 1


def test_a_folder_without_audio_is_a_song_that_fails(tmp_path: Path) -> None:
    song, empty = make_song(tmp_path / "a.wav"), tmp_path / "empty"
    empty.mkdir()
    (empty / "notes.txt").write_text("not music")
    good, bad = discover([song, empty]).songs
    assert good.problem is None
    assert bad.path == empty
    assert "holds no audio. Name a folder" in str(bad.problem)


def test_a_named_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    pipe, link, empty = (tmp_path / name for name in ("pipe.wav", "link.wav", "empty.wav"))
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "gone" / "song.wav")
    empty.touch()
    loop = tmp_path / "loop.wav"
    loop.symlink_to(loop)
    text = tmp_path / "text.wav"
    text.write_text("no music")
    inputs = [pipe, link, empty, loop, tmp_path / "missing.wav", tmp_path / ("x" * 300), text]
    assert [str(song.problem).partition(tmp_path.name)[2] for song in discover(inputs).songs] == [
        "/pipe.wav is not a regular file. Save the audio to a file first.",
        f"/link.wav is a link to {tmp_path}/gone/song.wav, which does not exist. Connect the disk "
        "that it is on, or remove the link.",
        "/empty.wav is empty (0 bytes). Copy or download it again.",
        "/loop.wav cannot be read: Too many levels of symbolic links. Check the path and the disk "
        "it is on.",
        "/missing.wav does not exist. Check the spelling and the folder.",
        f"/{'x' * 300} cannot be read: File name too long. Check the path and the disk it is on.",
        "/text.wav is not audio that stemsplit can read. If it plays elsewhere, convert it to wav "
        "or flac.",
    ]
    in_folder = {song.path.name: song.problem for song in discover([tmp_path]).songs}
    assert in_folder.keys() == {"empty.wav", "text.wav"}
    assert "text.wav is not audio" in str(in_folder["text.wav"])
    assert in_folder["empty.wav"] is not None


def test_links_to_nothing_in_a_folder_are_named(tmp_path: Path) -> None:
    make_song(tmp_path / "a.wav")
    (tmp_path / "b.mp3").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe.wav")
    found = discover([tmp_path])
    assert [song.path.name for song in found.songs] == ["a.wav"]
    assert found.dangling == (tmp_path / "b.mp3",)
    assert found.num_skipped == 0


def test_our_own_outputs_are_passed_over_wherever_they_are(tmp_path: Path) -> None:
    song = make_song(tmp_path / "song.wav")
    stem = make_song(tmp_path / "bass" / "song.wav")
    outputs = [{"file": "bass/song.wav"}, {"file": 7}, "junk"]
    write_record(tmp_path / "song.stemsplit.json", {"outputs": outputs})
    assert recorded_outputs(tmp_path / "song.stemsplit.json") == {stem}
    found = discover([tmp_path])
    assert [found.path for found in found.songs] == [song]
    assert (found.num_ours, found.num_skipped) == (1, 0)


def test_outputs_are_ours_after_their_folder_was_renamed(tmp_path: Path) -> None:
    make_song(tmp_path / "song" / "bass.wav")
    make_song(tmp_path / "song" / "old" / "drums.wav")
    write_record(
        tmp_path / "song" / "stemsplit.json",
        {"outputs": [{"file": "bass.wav"}], "earlier": [{"file": "old/drums.wav"}]},
    )
    renamed = (tmp_path / "song").rename(tmp_path / "another name")
    (song,) = discover([renamed]).songs
    assert "holds no audio, only 2 outputs of stemsplit" in str(song.problem)


def test_a_damaged_song_is_not_passed_over(tmp_path: Path) -> None:
    make_song(tmp_path / "a.wav")
    for name in ("empty.MP3", "text.flac"):
        (tmp_path / name).write_text("" if name.startswith("e") else "not music")
    found = discover([tmp_path])
    assert [song.path.name for song in found.songs] == ["a.wav", "empty.MP3", "text.flac"]
    assert found.num_skipped == 0


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    make_song(tmp_path / "a.wav")
    (tmp_path / "locked").mkdir(mode=0)
    assert discover([tmp_path]).unreadable == (tmp_path / "locked",)
    (song,) = discover([tmp_path / "locked"]).songs
    assert "locked may not be read by this user" in str(song.problem)


def test_a_link_in_a_circle_ends(tmp_path: Path) -> None:
    make_song(tmp_path / "a" / "song.wav")
    (tmp_path / "a" / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert len(discover([tmp_path]).songs) == 1


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b'{"schema": 99}', b"[" * 100_000]
)
def test_a_record_that_cannot_be_understood_is_no_record(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "stemsplit.json"
    path.write_bytes(content)
    assert read_record(path) is None
    assert recorded_outputs(path) == set()


def test_a_record_tells_outputs_that_are_there_from_others(tmp_path: Path) -> None:
    stem = make_song(tmp_path / "bass.wav")
    from stemsplit.audio.source import hash_file

    size, sha256 = stem.stat().st_size, hash_file(stem)
    output = {"stem": "bass", "file": "bass.wav", "bytes": size, "sha256": sha256}
    write_record(tmp_path / "r.json", {"outputs": [output]})
    record = read_record(tmp_path / "r.json")
    assert record is not None
    assert record.raw["schema"] == SCHEMA
    assert missing_outputs(record, {"bass": stem}, tmp_path) == []
    assert missing_outputs(record, {"bass": tmp_path / "Bass.wav"}, tmp_path) == ["bass"]
    assert missing_outputs(record, {"drums": stem}, tmp_path) == ["drums"]
    stem.write_bytes(stem.read_bytes()[:-1] + b"x")
    assert missing_outputs(record, {"bass": stem}, tmp_path) == ["bass"]
    stem.unlink()
    assert missing_outputs(record, {"bass": stem}, tmp_path) == ["bass"]
