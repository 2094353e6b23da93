"""`stemsplit evaluate` on tiny data sets and on a real excerpt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stemsplit.cli.printer.evaluation import label_systems
from stemsplit.cli.printer.person import PersonPrinter
from stemsplit.engine.note import Note
from stemsplit.evaluate.evaluation_events import (
    EvaluationBegan,
    SystemProgressed,
    SystemStarted,
    TrackFailed,
)
from tests.audio.songs import SHARED_AUDIO
from tests.cli.conftest import Stemsplit
from tests.evaluate.trees import stem_samples, write, write_dsd100, write_musdb18_hq, write_song

pytestmark = pytest.mark.slow

FAST = ("--metric", "sdr")


def lines(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


def read(path: str = "evaluation.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


@pytest.fixture
def musdb(workplace: Path) -> Path:
    write_musdb18_hq(workplace / "musdb18hq")
    return workplace / "musdb18hq"


def test_a_table_and_a_file_of_results(stemsplit: Stemsplit, musdb: Path) -> None:
    result = stemsplit("evaluate", musdb, "-m", "spectral", "--oracle", "irm,mwf", *FAST)
    assert result.exit_code == 0, result.stderr
    header, *rows = lines(result.stdout)
    assert header == [
        "stem",
        "metric",
        "model",
        "mean",
        "95 %",
        "median",
        "95 %",
        "tracks",
        "excluded",
    ]
    assert [row[2] for row in rows[:4]] == ["mixture", "spectral", "irm", "mwf"]
    assert {tuple(row[7:]) for row in rows} == {("2", "0")}
    records = read()
    assert len(records) == len(rows) * 2
    for row in rows:
        values = [r["value"] for r in records if (r["stem"], r["model"]) == (row[0], row[2])]
        assert row[3] == f"{sum(values) / 2:.2f}"
        low, high = map(float, row[4].split(" to "))
        assert (low, high) == pytest.approx(sorted(values), abs=0.006)
    assert {(r["dataset"], r["subset"]) for r in records} == {("musdb18-hq", "test")}
    assert "6 of 8: C - Three: spectral" in result.stderr
    assert "All figures, track by track: " in result.stderr


def test_the_same_command_resumes(stemsplit: Stemsplit, musdb: Path) -> None:
    assert stemsplit("evaluate", musdb, *FAST, "--limit", 1).exit_code == 0
    first = Path("evaluation.jsonl").read_text()
    result = stemsplit("evaluate", musdb, *FAST)
    assert "1 of 1: C - Three: mixture" in result.stderr
    assert Path("evaluation.jsonl").read_text().startswith(first)
    again = stemsplit("evaluate", musdb, *FAST)
    assert "mixture" not in again.stderr
    assert again.stdout == result.stdout
    assert len(read()) == 8
    assert stemsplit("evaluate", musdb, *FAST, "--subset", "train", "-q").stderr == (
        "Note: One track says nothing of others: no confidence intervals.\n"
    )
    assert len(read()) == 12


def test_json_lines(stemsplit: Stemsplit, musdb: Path) -> None:
    result = stemsplit("evaluate", musdb, "-m", "spectral", *FAST, "--limit", 1, "--json")
    assert result.exit_code == 0, result.stderr
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert {event["schema"] for event in events} == {1}
    assert {event["event"] for event in events} == {"note", "start", "progress", "score", "summary"}
    scores = [event for event in events if event["event"] == "score"]
    known = read()
    for score, record in zip(scores, known, strict=True):
        assert score.items() >= record.items()
    summary = next(event for event in events if event["event"] == "summary")
    assert summary["mean"] == summary["median"] == known[0]["value"]
    assert summary["mean_interval"] is None
    assert (summary["tracks"], summary["excluded"]) == (1, 0)


def test_silent_stems_are_counted(stemsplit: Stemsplit, workplace: Path) -> None:
    for name in ("one", "two"):
        write_song(workplace / "songs" / name, ["bass", "vocals"])
    write(workplace / "songs" / "two" / "vocals.wav", 0 * stem_samples(0))
    write(workplace / "songs" / "two" / "mixture.wav", stem_samples(0))
    result = stemsplit("evaluate", "songs", "--metric", "sdr,si_sdr,bsseval", "--oracle", "ibm")
    assert result.exit_code == 0, result.stderr
    counts = {(row[0], row[7], row[8]) for row in lines(result.stdout)[1:] if row[2] == "ibm"}
    assert counts >= {("vocals", "1", "1")}
    silent = [r for r in read() if (r["track"], r["stem"]) == ("two", "vocals")]
    assert {(r["value"], r["reason"]) for r in silent} == {(None, "the source is silent")}


def test_a_model_that_has_heard_the_songs_is_refused(stemsplit: Stemsplit, musdb: Path) -> None:
    result = stemsplit("evaluate", musdb, "-m", "mdx_extra", "--offline")
    assert result.exit_code == 2
    assert "mdx_extra was trained on the MUSDB18 test set" in result.stderr
    assert "--force" in result.stderr
    assert not Path("evaluation.jsonl").exists()
    for allowed in (("--force",), ("--subset", "train")):
        forced = stemsplit("evaluate", musdb, "-m", "mdx_extra", "--offline", *allowed)
        assert forced.exit_code == 3  # it is not on this machine
        assert "was trained on" not in forced.stderr


def test_a_model_of_which_nothing_is_known(
    stemsplit: Stemsplit, musdb: Path, bag_folder: Path
) -> None:
    command = ("evaluate", musdb, "-m", bag_folder, *FAST, "--limit", 1)
    result = stemsplit(*command)
    assert result.exit_code == 0, result.stderr
    name = bag_folder.name
    assert f"It is not known what {name} was trained on" in result.stderr
    revision = {r["revision"] for r in read() if r["model"] == name}
    assert len(revision) == 1
    assert revision.pop().startswith("sha256:")
    assert f": {name}" not in stemsplit(*command).stderr


def test_songs_that_are_in_another_data_set(
    stemsplit: Stemsplit, workplace: Path, bag_folder: Path
) -> None:
    write_dsd100(workplace / "DSD100")
    result = stemsplit("evaluate", "DSD100", "-m", "mdx_extra")
    assert result.exit_code == 2
    assert "was trained on the MUSDB18 test set" in result.stderr
    assert stemsplit("evaluate", "DSD100", "-m", bag_folder, *FAST).exit_code == 0


def test_two_files_are_compared(stemsplit: Stemsplit, workplace: Path) -> None:
    for index in range(6):
        write_song(workplace / "songs" / f"{index}", ["drums", "vocals"], seed=5 * index)
    command = ("evaluate", "songs", "--metric", "sdr")
    assert stemsplit(*command, "-m", "spectral", "-o", "a.jsonl").exit_code == 0
    assert stemsplit(*command, "--oracle", "irm", "-o", "b.jsonl").exit_code == 0
    result = stemsplit("evaluate", "--compare", "a.jsonl", "a.jsonl", "-m", "spectral")
    assert result.exit_code == 0, result.stderr
    rows = lines(result.stdout)[1:]
    assert [row[0] for row in rows] == ["drums", "vocals"]
    assert {row[2] for row in rows} == {"+0.00"}
    assert {row[-1] for row in rows} == {"no difference found"}
    result = stemsplit("evaluate", "--compare", "b.jsonl", "a.jsonl", "-m", "irm", "-m", "spectral")
    rows = lines(result.stdout)[1:]
    assert {row[-1] for row in rows} == {"the first is better"}
    assert all(row[2].startswith("+") and row[4] == "6" for row in rows)
    assert "The first is irm" in result.stderr
    none = stemsplit("evaluate", "--compare", "a.jsonl", "b.jsonl")
    assert none.exit_code == 2
    assert "b.jsonl has no results of a model. It has: mixture@" in none.stderr
    event = stemsplit("evaluate", "--compare", "a.jsonl", "a.jsonl", "--json").stdout.splitlines()
    assert json.loads(event[-1])["verdict"] == "no difference found"


def test_a_track_that_cannot_be_read_fails_alone(stemsplit: Stemsplit, musdb: Path) -> None:
    (musdb / "test" / "B - Two" / "bass.wav").write_bytes(b"RIFF junk")
    result = stemsplit("evaluate", musdb, *FAST)
    assert result.exit_code == 1
    assert "Failed: B - Two: " in result.stderr
    assert {r["track"] for r in read()} == {"C - Three"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evaluate",), "No data set was named."),
        (("evaluate", "nowhere"), "There is no file or folder nowhere."),
        (("evaluate", "."), "is not a data set"),
        (("evaluate", ".", "--metric", "srd"), "--metric does not know 'srd'. Did you mean sdr?"),
        (("evaluate", ".", "--metric", ","), "--metric names nothing."),
        (("evaluate", ".", "--oracle", "irn"), "--oracle does not know 'irn'. Did you mean irm?"),
        (("evaluate", ".", "--compare", "a", "b"), "--compare reads two files of results"),
        (("evaluate", "--compare", "a", "b"), "There is no file or folder a."),
        (("evaluate", "--compare", "a", "b", *3 * ("-m", "x")), "one or two models"),
        (("evaluate", ".", "--precision", "fp16", "--device", "cpu"), "not a precision for a CPU"),
    ],
)
def test_bad_usage(stemsplit: Stemsplit, arguments: tuple[str, ...], message: str) -> None:
    result = stemsplit(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_other_files_are_not_appended_to(stemsplit: Stemsplit, musdb: Path) -> None:
    Path("notes.txt").write_text("Buy strings.\n")
    result = stemsplit("evaluate", musdb, "-o", "notes.txt", *FAST)
    assert result.exit_code == 2
    assert "notes.txt is not a file of results" in result.stderr
    assert Path("notes.txt").read_text() == "Buy strings.\n"


def test_a_missing_package_is_named_before_any_work(
    stemsplit: Stemsplit, musdb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr("importlib.import_module", absent)
    result = stemsplit("evaluate", musdb, "--metric", "sdr,pesq")
    assert result.exit_code == 2
    assert "needs the package pesq" in result.stderr
    assert not Path("evaluation.jsonl").exists()


def test_names_tell_systems_apart() -> None:
    keys = [
        ("a", "r", "fp32"),
        ("b", "sha256:0123456789abcdef", "fp32"),
        ("b", "main", "fp32"),
        ("c", "r", "fp32"),
        ("c", "r", "bf16"),
    ]
    assert list(label_systems(keys).values()) == [
        "a",
        "b@0123456789ab",
        "b@main",
        "c (fp32)",
        "c (bf16)",
    ]


@pytest.mark.slow
@pytest.mark.skipif(not SHARED_AUDIO.exists(), reason="the shared audio files are not here")
def test_bounds_and_the_built_in_model_on_a_real_song(stemsplit: Stemsplit) -> None:
    """That its BSS Eval figures are museval's is tests/evaluate/test_bsseval.py's business."""
    result = stemsplit("evaluate", SHARED_AUDIO, "--model", "spectral", "--oracle", "irm")
    assert result.exit_code == 0, result.stderr
    assert "1 file without stems was passed over: demucs_test.mp3." in result.stderr
    values = {(r["stem"], r["metric"], r["model"]): r["value"] for r in read()}
    assert len(values) == 3 * 4 * 5
    for stem in ("drums", "bass", "other", "vocals"):
        for metric in ("sdr", "sdr_bsseval_v4", "sir_bsseval_v4"):
            mixture, model, oracle = (
                values[stem, metric, name] for name in ("mixture", "spectral", "irm")
            )
            assert mixture + 3 < model < oracle - 3
    # Measured with museval 0.4.1, on the same audio at 16 bits.
    expected = {"drums": 7.255, "bass": 3.798, "other": 2.868, "vocals": 1.929}
    for stem, value in expected.items():
        assert values[stem, "sdr_bsseval_v4", "spectral"] == pytest.approx(value, abs=0.01)


def test_a_terminal_gets_one_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Notes stay above it, and it is gone at the end."""
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "xterm")
    printer = PersonPrinter()
    printer.show(EvaluationBegan(2))
    printer.show(SystemStarted("song", "mixture"))
    printer.show(SystemProgressed("song", "mixture", 0.5))
    printer.show(Note("[not markup]"))
    printer.show(TrackFailed("song", "It broke."))
    printer.show(SystemStarted("song", "mixture"))
    printer.close()
    stderr = capsys.readouterr().err
    assert "[not markup]" in stderr
    assert "song: It broke." in stderr
    assert stderr.rstrip().endswith("\x1b[2K")
