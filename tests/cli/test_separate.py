from __future__ import annotations

import errno
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from stemsplit.device import chunk_memory
from stemsplit.version import __version__
from tests.audio.songs import tone, write_sndfile
from tests.cli.conftest import Stemsplit
from tests.hub.loopback import Hub

STEMS = ("drums", "bass", "other", "vocals")


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_song_goes_in_and_four_stems_come_out(stemsplit: Stemsplit, song: Path, hub: Hub) -> None:
    result = stemsplit("song.wav")
    assert result.exit_code == 0, result.stderr
    folder = song.parent / "separated" / "htdemucs" / "song"
    assert files_below(folder) == [
        "bass.wav",
        "drums.wav",
        "other.wav",
        "stemsplit.json",
        "vocals.wav",
    ]
    for stem in STEMS:
        info = soundfile.info(folder / f"{stem}.wav")
        assert (info.samplerate, info.channels, info.frames) == (44100, 2, 22_050)
        assert info.subtype == "PCM_24"
    assert re.fullmatch(
        r"song\.wav: drums\.wav, bass\.wav, other\.wav, vocals\.wav in "
        rf"{re.escape(str(folder))} \(0\.5 s in \d\.\d s\)(\. All stems were lowered by .*)?\n",
        result.stdout,
    )
    assert "1 of 1: song.wav" in result.stderr
    assert len([name for name in hub.requested_files() if name.endswith(".safetensors")]) == 1


def test_the_record_says_what_was_done(stemsplit: Stemsplit, song: Path, hub: Hub) -> None:
    assert stemsplit(song, "--seed", 3, "--clip", "clamp").exit_code == 0
    record = json.loads(Path("separated/htdemucs/song/stemsplit.json").read_text())
    assert record["stemsplit"] == __version__
    commit = hub.find("adefossez/HTDemucs", "main")
    assert commit is not None
    assert record["model"]["revision"] == commit.sha
    assert record["model"]["licence"] == "restricted"
    (digest,) = record["fingerprint"]["model"]["networks"].values()
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert record["fingerprint"]["options"]["seed"] == 3
    assert record["input"]["num_samples"] == record["num_samples"] == 22_050
    assert record["device"] == "cpu"
    assert record["precision"] in ("fp32", "bf16")  # as the CPU has it
    assert isinstance(record["residual_db"], float)
    assert [output["stem"] for output in record["outputs"]] == list(STEMS)
    assert record["warnings"] == []


def test_finished_tracks_are_skipped_until_something_changes(
    stemsplit: Stemsplit, song: Path
) -> None:
    arguments = (song, "-m", "spectral")
    assert stemsplit(*arguments).exit_code == 0
    drums = Path("separated/spectral/song/drums.wav")
    before = drums.stat().st_mtime_ns
    again = stemsplit(*arguments)
    assert again.exit_code == 0
    assert "song.wav: already done: " in again.stdout
    assert drums.stat().st_mtime_ns == before
    # Nobody has touched our own files, so they may be replaced.
    assert stemsplit(*arguments, "--bit-depth", "16").exit_code == 0
    assert soundfile.info(drums).subtype == "PCM_16"
    write_sndfile(song, tone(11_025))
    assert stemsplit(*arguments, "--bit-depth", "16").exit_code == 0
    assert soundfile.info(drums).frames == 11_025


def test_a_damaged_output_is_noticed_and_not_overwritten_unasked(
    stemsplit: Stemsplit, song: Path
) -> None:
    assert stemsplit(song, "-m", "spectral").exit_code == 0
    drums = Path("separated/spectral/song/drums.wav")
    drums.write_bytes(b"mine")
    result = stemsplit(song, "-m", "spectral")
    assert result.exit_code == 1
    assert "drums.wav already exists. Use --overwrite to replace it" in result.stderr
    assert drums.read_bytes() == b"mine"
    assert stemsplit(song, "-m", "spectral", "--overwrite").exit_code == 0
    assert soundfile.info(drums).frames == 22_050


def test_outputs_of_other_options_stay_ours(stemsplit: Stemsplit, song: Path) -> None:
    arguments = (song.parent, "-m", "spectral", "-o", song.parent / "out")
    assert stemsplit(*arguments).exit_code == 0
    assert stemsplit(*arguments, "--two-stems", "vocals").exit_code == 0
    record = json.loads(Path("out/spectral/song/stemsplit.json").read_text())
    assert [output["file"] for output in record["outputs"]] == ["vocals.wav", "no_vocals.wav"]
    assert [output["file"] for output in record["earlier"]] == [
        "drums.wav",
        "bass.wav",
        "other.wav",
    ]
    # They are neither songs nor in the way.
    again = stemsplit(*arguments)
    assert again.exit_code == 0
    assert "5 files are outputs of earlier runs: passed over." in again.stderr
    record = json.loads(Path("out/spectral/song/stemsplit.json").read_text())
    assert [output["file"] for output in record["earlier"]] == ["no_vocals.wav"]


@pytest.mark.parametrize("arguments", [[], ["--overwrite"]])
def test_an_input_is_never_replaced(stemsplit: Stemsplit, song: Path, arguments: list[str]) -> None:
    before = song.read_bytes()
    song.rename(song.with_name("Bass.wav"))
    template = "{stem}.{ext}"
    result = stemsplit("Bass.wav", "-m", "spectral", "-o", ".", "--template", template, *arguments)
    assert result.exit_code == 2
    assert "bass.wav is to be written, and is an input." in result.stderr
    assert Path("Bass.wav").read_bytes() == before


def test_two_stems_sum_to_the_song(stemsplit: Stemsplit, song: Path) -> None:
    result = stemsplit(song, "-m", "spectral", "--two-stems", "vocals", "--bit-depth", "32f")
    assert result.exit_code == 0
    folder = Path("separated/spectral/song")
    assert files_below(folder) == ["no_vocals.wav", "stemsplit.json", "vocals.wav"]
    parts = [soundfile.read(folder / f"{name}.wav")[0] for name in ("vocals", "no_vocals")]
    assert np.abs(sum(parts) - soundfile.read(song)[0]).max() < 1e-6


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--stems", "vocals,bass"], {"vocals", "bass"}),
        (["--stems", " drums "], {"drums"}),
        (["--two-stems", "drums", "--complement", "none"], {"drums"}),
        (["--two-stems", "drums", "--other-method", "add"], {"drums", "no_drums"}),
        (["--two-stems", "drums", "--other-method", "minus"], {"drums", "no_drums"}),
        (["--residual", "--stems", "bass"], {"bass", "residual"}),
    ],
)
def test_only_what_was_asked_for_is_written(
    stemsplit: Stemsplit, song: Path, arguments: list[str], names: set[str]
) -> None:
    assert stemsplit(song, "-n", "spectral", *arguments).exit_code == 0
    assert {path.stem for path in Path("separated").rglob("*.wav")} == names


@pytest.mark.parametrize(
    ("arguments", "name", "subtype"),
    [
        (["--format", "flac"], "drums.flac", "PCM_24"),
        (["--flac", "--bit-depth", "16"], "drums.flac", "PCM_16"),
        (["--float32"], "drums.wav", "FLOAT"),
        (["--bit-depth", "16"], "drums.wav", "PCM_16"),
        (["--int24"], "drums.wav", "PCM_24"),
    ],
)
def test_the_file_is_of_the_kind_that_was_asked_for(
    stemsplit: Stemsplit, song: Path, arguments: list[str], name: str, subtype: str
) -> None:
    assert stemsplit(song, "-m", "spectral", "--out", "stems", *arguments).exit_code == 0
    assert soundfile.info(f"stems/spectral/song/{name}").subtype == subtype


def test_the_template_names_the_files(stemsplit: Stemsplit, song: Path) -> None:
    template = "{stem}/{track} ({model}).{ext}"
    result = stemsplit(song, "-m", "spectral", "--stems", "bass", "--filename", template)
    assert result.exit_code == 0
    assert files_below(Path("separated")) == [
        "bass",
        "bass/song (spectral).wav",
        "song.stemsplit.json",
    ]
    again = stemsplit(song, "-m", "spectral", "--stems", "bass", "--filename", template)
    assert re.fullmatch("song.wav: already done: .*song \\(spectral\\).wav .*\n", again.stdout)


def test_a_folder_is_walked_and_its_tree_mirrored(stemsplit: Stemsplit, song: Path) -> None:
    album = Path("album")
    (album / "cd 2").mkdir(parents=True)
    shutil.copy(song, album / "one.wav")
    shutil.copy(song, album / "cd 2" / "one.wav")
    (album / "cover.jpg").write_bytes(b"\xff\xd8\xff\xe0 not music")
    (album / ".hidden.wav").write_bytes(song.read_bytes())
    arguments = (album, "-m", "spectral", "-o", album / "stems", "--stems", "drums")
    result = stemsplit(*arguments)
    assert result.exit_code == 0, result.stderr
    assert [path.as_posix() for path in sorted(album.rglob("drums.wav"))] == [
        "album/stems/spectral/cd 2/one/drums.wav",
        "album/stems/spectral/one/drums.wav",
    ]
    assert "1 file in the folders is not audio: passed over." in result.stderr
    assert "2 done, 0 skipped, 0 failed." in result.stderr
    again = stemsplit(*arguments)  # our own outputs are inside the folder now
    assert again.exit_code == 0
    assert again.stderr.count("already done: skipped") == 2
    assert "2 files are outputs of earlier runs: passed over." in again.stderr
    assert "0 done, 2 skipped, 0 failed." in again.stderr
    next(album.rglob("drums.wav")).unlink()
    assert "1 done (1 of them again), 1 skipped, 0 failed." in stemsplit(*arguments).stderr


def test_one_bad_file_does_not_stop_the_others(stemsplit: Stemsplit, song: Path) -> None:
    Path("bad.mp3").write_text("no music")
    result = stemsplit("bad.mp3", song, "missing.wav", "-m", "spectral")
    assert result.exit_code == 1
    assert (Path("separated/spectral/song") / "vocals.wav").exists()
    assert "Failed: bad.mp3 is not audio that stemsplit can read." in result.stderr
    assert "Failed: missing.wav does not exist." in result.stderr
    summary = result.stderr[result.stderr.index("1 done, 0 skipped, 2 failed.") :].splitlines()
    assert summary[1] == "2 of 3 songs failed:"
    assert [line.split()[0] for line in summary[2:]] == ["bad.mp3", "missing.wav"]


def test_no_argument_that_cannot_be_read_stops_the_others(
    stemsplit: Stemsplit, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("empty").mkdir()
    Path("gone.wav").symlink_to("nowhere.wav")
    os.mkfifo("pipe.wav")
    Path("locked.wav").write_bytes(song.read_bytes())
    real_open = Path.open

    def locked(path: Path, *arguments: Any, **others: Any) -> Any:
        if path.name == "locked.wav":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real_open(path, *arguments, **others)

    monkeypatch.setattr(Path, "open", locked)
    monkeypatch.setattr(os, "access", lambda *_, **__: False)  # what typer asks, if it asks
    bad = ["empty", "gone.wav", "pipe.wav", "locked.wav", "missing.wav"]
    result = stemsplit(*bad, song, "-m", "spectral")
    assert result.exit_code == 1, result.stderr
    assert (Path("separated/spectral/song") / "vocals.wav").exists()
    for words in (
        "Failed: The folder empty holds no audio.",
        "Failed: gone.wav is a link to nowhere.wav, which does not exist.",
        "Failed: pipe.wav is not a regular file.",
        "Failed: locked.wav may not be read by this user.",
        "Failed: missing.wav does not exist.",
        "1 done, 0 skipped, 5 failed.",
    ):
        assert words in result.stderr


@pytest.mark.parametrize(
    "names", [["missing.wav"], ["missing.wav", "empty"], ["missing.wav", "bad.mp3", "folder"]]
)
def test_without_anything_to_read_no_model_is_asked_for(
    stemsplit: Stemsplit, names: list[str]
) -> None:
    Path("empty").mkdir()
    Path("folder").mkdir()
    for bad in ("bad.mp3", "folder/bad.flac"):
        Path(bad).write_text("no music")
    result = stemsplit(*names, "-m", "htdemucs")  # which cannot be had
    assert result.exit_code == 1
    assert "Failed: missing.wav does not exist." in result.stderr
    assert result.stderr.count("Failed:") == len(names)
    events = [json.loads(line) for line in stemsplit(*names, "--json").stdout.splitlines()]
    assert [event["event"] for event in events] == ["failed"] * len(names) + ["summary"]
    planned = stemsplit(*names, "--dry-run", "--json")
    assert planned.exit_code == 1
    events = [json.loads(line) for line in planned.stdout.splitlines()]
    assert [event.get("action") for event in events] == ["fail"] * len(names) + [None]


@pytest.mark.parametrize("other", ["song.flac", "SONG.wav"])
def test_two_songs_that_would_share_files_are_found_before_any_work(
    stemsplit: Stemsplit, song: Path, other: str
) -> None:
    shutil.copy(song, other)
    template = "{track}/{stem}.{ext}"
    result = stemsplit("song.wav", other, "-m", "spectral", "--template", template)
    assert result.exit_code == 2
    assert f"song.wav and {other} would both write" in result.stderr
    assert re.search(r'Use --template "{track}.*/{stem}\.{ext}"\.$', result.stderr.strip())
    assert not Path("separated").exists()


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(
    stemsplit: Stemsplit, song: Path
) -> None:
    for name in ("changed.wav", "new.wav", "occupied.wav"):
        shutil.copy(song, name)
    output = song.parents[1] / "out"
    arguments = (song.parent, "-m", "spectral", "-o", output)
    assert stemsplit("song.wav", "changed.wav", *arguments[1:]).exit_code == 0
    write_sndfile(Path("changed.wav"), tone(44_100 * 3))
    Path("broken.mp3").write_text("no music")
    mine = output / "spectral/occupied/bass.wav"
    mine.parent.mkdir()
    mine.write_text("mine")
    before = files_below(output)
    result = stemsplit(*arguments, "--dry-run")
    assert result.exit_code == 1
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert rows[0] == ["song", "what", "folder", "length"]
    folder = output / "spectral"
    assert [[Path(row[0]).name, *row[1:]] for row in rows[1:]] == [
        ["broken.mp3", "would fail", "", "?"],
        ["changed.wav", "again", str(folder / "changed"), "0:03"],
        ["new.wav", "new", str(folder / "new"), "0:00"],
        ["occupied.wav", "would fail", "", "?"],
        ["song.wav", "skip: done", str(folder / "song"), "0:00"],
    ]
    assert "5 songs: 1 new, 1 again, 1 skip: done, 2 would fail." in result.stderr
    assert "0:04 of music to separate, about 0:0" in result.stderr
    assert "bass.wav already exists" in result.stderr
    assert files_below(output) == before


def test_json_lines_tell_every_step(stemsplit: Stemsplit, song: Path) -> None:
    result = stemsplit(song, "missing.wav", "-m", "spectral", "--json")
    assert result.exit_code == 1
    events = [json.loads(line) for line in result.stdout.splitlines()]
    names = [each["event"] for each in events if each["event"] not in ("progress", "stage")]
    assert names == ["start", "done", "failed", "summary"]
    done = next(event for event in events if event["event"] == "done")
    assert Path(done["outputs"]["drums"]).is_absolute()
    assert done["duration_seconds"] == 0.5
    assert done["realtime_factor"] > 0
    failed = next(event for event in events if event["event"] == "failed")
    assert "does not exist" in failed["error"]
    assert events[-1] | {"done": 1, "redone": 0, "skipped": 0, "failed": 1} == events[-1]
    shares = [event["share"] for event in events if event["event"] == "progress"]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_the_other_sample_rates_of_the_song_are_kept_or_chosen(stemsplit: Stemsplit) -> None:
    write_sndfile(Path("hi.wav"), tone(48_000, sample_rate=96_000), sample_rate=96_000)
    assert stemsplit("hi.wav", "-m", "spectral", "--stems", "bass").exit_code == 0
    info = soundfile.info("separated/spectral/hi/bass.wav")
    assert (info.samplerate, info.frames) == (96_000, 48_000)
    chosen = ("hi.wav", "-m", "spectral", "--stems", "bass", "-o", "o", "--sample-rate")
    for rate, expected in (("model", 44_100), ("32000", 32_000)):
        assert stemsplit(*chosen, rate, "--overwrite").exit_code == 0
        assert soundfile.info("o/spectral/hi/bass.wav").samplerate == expected


def test_mono_stays_mono(stemsplit: Stemsplit) -> None:
    write_sndfile(Path("mono.wav"), tone(10_000, num_channels=1))
    assert stemsplit("mono.wav", "-m", "spectral").exit_code == 0
    assert soundfile.info("separated/spectral/mono/vocals.wav").channels == 1


def test_a_common_gain_is_said_and_recorded(stemsplit: Stemsplit, workplace: Path) -> None:
    loud = write_sndfile(workplace / "loud.wav", 4 * tone(22_050), subtype="FLOAT")
    result = stemsplit(loud, "-m", "spectral")
    assert result.exit_code == 0
    match = re.search(
        r"All stems were lowered by (\d+\.\d+) dB so that none clips\.", result.stdout
    )
    assert match
    record = json.loads(Path("separated/spectral/loud/stemsplit.json").read_text())
    assert record["gain_db"] == pytest.approx(-float(match[1]), abs=0.005)


def test_quiet_says_nothing_when_all_is_well(stemsplit: Stemsplit, song: Path) -> None:
    result = stemsplit(song, "-m", "spectral", "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_a_local_checkpoint_names_the_folder(
    stemsplit: Stemsplit, song: Path, bag_folder: Path
) -> None:
    result = stemsplit(song, "-m", bag_folder / "htdemucs.yaml", "--shifts", 1, "--segment", 0.3)
    assert result.exit_code == 0, result.stderr
    assert Path("separated/htdemucs/song/bass.wav").exists()


def test_a_dry_run_knows_the_range(stemsplit: Stemsplit) -> None:
    write_sndfile(Path("long.wav"), tone(44_100 * 5))
    result = stemsplit("long.wav", "-m", "spectral", "--start", "1", "--end", "4", "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert "0:03 of music to separate, about 0:0" in result.stderr
    assert not Path("separated").exists()


@pytest.mark.parametrize("seconds", ["2000", "1e9", "1e300"])
def test_a_segment_beyond_the_song_is_the_song(
    stemsplit: Stemsplit, song: Path, seconds: str
) -> None:
    result = stemsplit(song, "-m", "spectral", "--segment", seconds)
    assert result.exit_code == 0, result.stderr
    assert soundfile.info("separated/spectral/song/drums.wav").frames == 22_050


@pytest.mark.parametrize("seconds", ["inf", "nan", "-1", "0", "0.05"])
def test_a_segment_that_is_no_length_is_bad_usage(
    stemsplit: Stemsplit, song: Path, seconds: str
) -> None:
    result = stemsplit(song, "-m", "spectral", "--segment", seconds)
    assert result.exit_code == 2
    assert "--segment must be a finite number and at least 0.1 seconds, got" in result.stderr
    assert not Path("separated").exists()


def test_a_segment_that_no_memory_holds_is_refused_in_words(
    stemsplit: Stemsplit, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = write_sndfile(song.with_name("long.wav"), tone(44_100 * 40), subtype="PCM_16")
    monkeypatch.setattr(chunk_memory, "_free_bytes", lambda _: 50_000_000)
    result = stemsplit(song, long, "-m", "spectral", "--segment", "1e9")
    assert result.exit_code == 1
    said = " ".join(result.stderr.split())
    assert re.search(r"A chunk of 40\.0 s would take about \d{3} MB of memory, and 50 MB", said)
    assert re.search(r"Use --segment [2-9] or less\.", said)
    assert files_below(Path("separated/spectral")) == ["song", *files_of_song()]


def files_of_song() -> list[str]:
    names = [*(f"{stem}.wav" for stem in sorted(STEMS)), "stemsplit.json"]
    return [f"song/{name}" for name in sorted(names)]
