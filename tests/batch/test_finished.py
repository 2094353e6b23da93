"""What counts as finished: tracks of released versions, and options that came, went or changed."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stemsplit.batch.fingerprint import changes
from stemsplit.cli.app import app
from tests.golden.make_finished_tracks import RUNS, VERSIONS, ZIP, command

Run = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def music(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A song, a model, and what released versions made of them; the working directory."""
    with zipfile.ZipFile(ZIP) as archive:
        archive.extractall(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def stemsplit(music: Path) -> Run:  # noqa: ARG001 - commands run inside it
    """What became of the songs, as `--json` says it."""

    def run(*arguments: str) -> list[dict[str, Any]]:
        result = CliRunner().invoke(app, [*arguments, "--json"])
        assert result.exit_code == 0, result.output
        events = [json.loads(line) for line in result.stdout.splitlines()]
        return [event for event in events if event["event"] in ("done", "skipped", "failed")]

    return run


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_track_of_a_released_version_is_finished(
    music: Path, stemsplit: Run, version: str, run: str
) -> None:
    folder = music / version / run
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    (song,) = stemsplit(*command(run), "-o", f"{version}/{run}")
    assert song["status"] == "skipped"
    assert all(Path(output).exists() for output in song["outputs"].values())
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before


def test_a_record_has_its_options_where_those_of_released_versions_have_them(
    music: Path, stemsplit: Run
) -> None:
    stemsplit(*command("defaults"), "-o", "new")
    (new,), (old,) = (
        [json.loads(path.read_text()) for path in (music / folder).rglob("*stemsplit.json")]
        for folder in ("new", f"{list(VERSIONS)[-1]}/defaults")
    )
    assert list(new["fingerprint"]) == list(old["fingerprint"])
    options = list(new["fingerprint"]["options"].items())
    come_since = [options.pop(), options.pop()]
    assert come_since == [("strength", 1.0), ("audio_track", 1)]
    assert options == list(old["fingerprint"]["options"].items())


@pytest.mark.parametrize(
    ("run", "given"),
    [
        ("defaults", ["--overlap", "0.1"]),
        ("defaults", ["--overlap", "0"]),
        ("defaults", ["--end", "0.002"]),
        ("defaults", ["--no-tags"]),
        ("defaults", ["--clip", "clamp"]),
        ("defaults", ["--bit-depth", "16"]),
        ("defaults", ["--then", "other: spectral"]),
        ("floats", ["--shifts", "2"]),
        ("floats", ["--seed", "4"]),
        ("karaoke", ["--other-method", "subtract"]),
    ],
)
def test_another_option_is_not(stemsplit: Run, run: str, given: list[str]) -> None:
    (song,) = stemsplit(*command(run), *given, "-o", f"0.4.0/{run}")
    assert (song["status"], song["redone"]) == ("done", True)


@pytest.mark.parametrize(
    ("run", "given"),
    [
        ("defaults", ["--seed", "4"]),
        ("defaults", ["--other-method", "add"]),
        ("networks", ["--precision", "auto"]),
    ],
)
def test_an_option_that_says_nothing_alone_does_not_count(
    stemsplit: Run, run: str, given: list[str]
) -> None:
    (song,) = stemsplit(*command(run), *given, "-o", f"0.4.0/{run}")
    assert song["status"] == "skipped"


def test_another_template_in_the_same_folder_is_not_finished(music: Path, stemsplit: Run) -> None:
    folder = music / "0.4.0" / "names"
    (song,) = stemsplit(*command("names"), "-o", str(folder), "--template", "{track}/{stem}.{ext}")
    assert (song["status"], song["redone"]) == ("done", True)
    assert Path(song["outputs"]["bass"]) == folder / "song" / "bass.flac"
    assert all(Path(output).exists() for output in song["outputs"].values())
    (song,) = stemsplit(*command("names"), "-o", str(folder))
    assert (song["status"], song["redone"]) == ("done", True)
    # Another template, but the same names.
    template = "{track}/{stem} (spectral).flac"
    (song,) = stemsplit(*command("names"), "-o", str(folder), "--template", template)
    assert song["status"] == "skipped"


def test_fewer_networks_of_a_model_are_no_other_model(music: Path, stemsplit: Run) -> None:
    """Of its two networks, the drums need one."""
    folder = music / "0.4.0" / "networks"
    (song,) = stemsplit(*command("networks"), "-o", str(folder), "--stems", "drums")
    assert song["warnings"] == [
        "Separated again: stems all -> drums. bass.wav, other.wav, vocals.wav of an earlier run: "
        "still there."
    ]
    assert len(list(folder.rglob("*.wav"))) == 4


def fingerprint(**options: Any) -> dict[str, Any]:
    return {
        "input_sha256": "0" * 64,
        "model": {"name": "m", "family": "f", "networks": {"a": "1" * 64}},
        "options": {"stems": None, "overlap": None, "shifts": 0, **options},
        "precision": "fp32",
        "encoding": {"container": "wav", "subtype": "24", "clip": "common", "tags": True},
    }


def words(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    return list(map(str, changes(found, wanted)))


@pytest.mark.parametrize("nothing", [None, False, 0, 0.0, "", []])
def test_an_option_that_has_gone_counts_if_it_said_anything(nothing: object) -> None:
    assert words(fingerprint(gone=nothing), fingerprint()) == []
    assert words({**fingerprint(), "gone": nothing}, fingerprint()) == []


def test_an_option_that_said_something_counts() -> None:
    assert words(fingerprint(gone=0.5), fingerprint()) == ["gone 0.5 -> default"]
    assert words({**fingerprint(), "gone": {"a": 1}}, fingerprint()) == ["gone other -> default"]


def test_an_option_that_has_come_counts_if_it_is_used() -> None:
    without = fingerprint()
    del without["options"]["overlap"], without["encoding"]["clip"], without["encoding"]["tags"]
    assert words(without, fingerprint()) == []
    assert words(without, fingerprint(overlap=0.0)) == ["overlap default -> 0.0"]
    clamped = fingerprint()
    clamped["encoding"] |= {"clip": "clamp", "tags": False}
    assert words(without, clamped) == ["clip common -> clamp", "tags on -> off"]


def test_a_new_default_concerns_those_that_were_made_with_the_old_one() -> None:
    assert words(fingerprint(sample_rate="source"), fingerprint(sample_rate="model")) == [
        "sample rate source -> model"
    ]
    assert words(fingerprint(sample_rate="model"), fingerprint(sample_rate="model")) == []


def test_networks_are_known_by_their_digests_and_not_by_our_words_for_them() -> None:
    other = fingerprint()
    other["model"]["family"] = "another word"
    assert words(other, fingerprint()) == []
    other["model"]["networks"]["a"] = "2" * 64
    assert words(other, fingerprint()) == ["another model"]
    assert words({**other, "model": {"name": "n"}}, fingerprint()) == ["model n -> m"]


def test_a_model_without_files_is_known_by_its_revision() -> None:
    by_version, first, second = fingerprint(), fingerprint(), fingerprint()
    by_version["model"]["networks"]["a"] = "stemsplit 0.3.0"
    first["model"]["networks"]["a"] = "built in, revision 1"
    second["model"]["networks"]["a"] = "built in, revision 2"
    assert words(by_version, first) == []
    assert words(by_version, second) == ["another model"]
    assert words(first, second) == ["another model"]


@pytest.mark.parametrize("found", [{}, {"options": 3, "encoding": None, "model": [1]}])
def test_a_fingerprint_that_cannot_be_understood_is_another_one(found: dict[str, Any]) -> None:
    assert "the song has changed" in words(found, fingerprint())
