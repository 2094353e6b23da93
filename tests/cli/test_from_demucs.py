"""What people type who know demucs."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer.main

from stemsplit.cli.app import app
from tests.cli.conftest import Stemsplit
from tests.models.random_models import htdemucs, write_bag

pytestmark = pytest.mark.slow

ARGUMENTS = ("-m", "spectral", "--stems", "bass")

DEMUCS_OPTIONS = {
    *("-s", "--sig", "-n", "--name", "--repo", "--list-models", "-v", "--verbose", "-o", "--out"),
    *("--filename", "-d", "--device", "--shifts", "--overlap", "--no-split", "--segment"),
    *("--two-stems", "--other-method", "--int24", "--float32", "--clip-mode", "--flac", "--mp3"),
    *("--mp3-bitrate", "--mp3-preset", "-j", "--jobs", "-h", "--help"),
}
"""Those of demucs 4.1.0."""


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A folder of demucs: a bag and its network, called by its signature."""
    folder = tmp_path / "repo"
    folder.mkdir()
    write_bag(folder, "small", [htdemucs()])
    return folder


def our_options() -> set[str]:
    separate = typer.main.get_command(app).commands["separate"]  # type: ignore[attr-defined]
    return {"-h", "--help", *(name for option in separate.params for name in option.opts)}


def test_every_option_of_demucs_is_known() -> None:
    assert our_options() >= DEMUCS_OPTIONS


def test_the_list_of_them_is_right() -> None:
    parser = pytest.importorskip("demucs.separate").get_parser()
    names = {name for action in parser._actions for name in action.option_strings}
    assert names == DEMUCS_OPTIONS


@pytest.mark.parametrize(
    ("arguments", "note"),
    [
        (["-j", "4"], "--jobs 4 changes nothing: each song uses all cores as it is. --threads"),
        (["--jobs", "0"], "--jobs 0 changes nothing"),
        (["--no-split"], "--no-split changes nothing: chunks overlap"),
        (["--mp3", "--mp3-preset", "7"], "--mp3-preset 7 changes nothing"),
        (["--clip-mode", "tanh"], "one gain for all stems, --clip common, takes its place"),
    ],
)
def test_what_has_no_use_says_so_in_one_line_and_runs(
    stemsplit: Stemsplit, song: Path, arguments: list[str], note: str
) -> None:
    result = stemsplit(song, *ARGUMENTS, *arguments)
    assert result.exit_code == 0, result.stderr
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("Note: "))
    assert note in line
    quiet = stemsplit(song, *ARGUMENTS, *arguments, "--quiet", "--overwrite")
    assert (quiet.exit_code, quiet.stderr) == (0, "")


@pytest.mark.parametrize(
    ("clip_mode", "clip"), [("rescale", "common"), ("clamp", "clamp"), ("none", "none")]
)
def test_clip_modes_are_clip_policies(
    stemsplit: Stemsplit, song: Path, clip_mode: str, clip: str
) -> None:
    assert stemsplit(song, *ARGUMENTS, "--clip-mode", clip_mode).exit_code == 0
    again = stemsplit(song, *ARGUMENTS, "--clip", clip, "--clip-mode", clip_mode)
    assert "already done" in again.stdout
    other = "clamp" if clip != "clamp" else "none"
    result = stemsplit(song, *ARGUMENTS, "--clip", other, "--clip-mode", clip_mode)
    assert result.exit_code == 2
    assert f"--clip {other} and --clip-mode {clip_mode} contradict each other." in result.stderr


@pytest.mark.parametrize("arguments", [["--mp3-preset", "9"], ["--clip-mode", "soft"], ["-j", "x"]])
def test_values_that_demucs_does_not_have_either_are_errors(
    stemsplit: Stemsplit, song: Path, arguments: list[str]
) -> None:
    assert stemsplit(song, *arguments).exit_code == 2


def test_models_are_listed(stemsplit: Stemsplit) -> None:
    result = stemsplit("--list-models")
    assert result.exit_code == 0
    assert result.stdout == stemsplit("models", "list").stdout


def test_a_folder_of_models_is_listed_and_used(
    stemsplit: Stemsplit, song: Path, repo: Path
) -> None:
    (network,) = repo.glob("*.safetensors")
    listed = stemsplit("--list-models", "--repo", repo)
    assert sorted(listed.stdout.split()) == sorted(
        ["small", "small.yaml", network.stem, network.name]
    )
    for option in (["-n", "small"], ["-n", network.stem], ["-s", network.stem]):
        result = stemsplit(song, "--repo", repo, *option, "--two-stems", "bass", "--overwrite")
        assert result.exit_code == 0, result.stderr
        assert Path("separated", option[1], "song", "no_bass.wav").is_file()


def test_a_network_may_have_its_checksum_in_its_name(repo: Path) -> None:
    from stemsplit.cli.from_demucs import models_in

    (repo / "955717e8-8726e21a.th").touch()
    assert models_in(repo, None, "955717e8") == [str(repo / "955717e8-8726e21a.th")]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["--repo", "nowhere"], 2, "--repo nowhere is no folder."),
        (["--repo", ".", "-n", "small"], 3, "has no model 'small'. It has none at all."),
        (["-s", "955717e8"], 2, "--sig '955717e8' does not say where the network is."),
        (["-s", "1", "-n", "mdx"], 2, "--sig '1' and --name mdx exclude each other."),
    ],
)
def test_models_that_are_not_there(
    stemsplit: Stemsplit, song: Path, arguments: list[str], exit_code: int, message: str
) -> None:
    result = stemsplit(song, *arguments)
    assert result.exit_code == exit_code
    assert message in result.stderr


def test_a_folder_without_the_model_says_what_it_has(
    stemsplit: Stemsplit, song: Path, repo: Path
) -> None:
    result = stemsplit(song, "--repo", repo)  # demucs' own default is htdemucs
    assert result.exit_code == 3
    assert "has no model 'htdemucs'. It has small, " in result.stderr


def test_the_template_may_have_the_end_of_the_songs_name(stemsplit: Stemsplit, song: Path) -> None:
    template = "{track}-{trackext}/{stem}.{ext}"
    assert stemsplit(song, *ARGUMENTS, "-o", "out", "--filename", template).exit_code == 0
    assert Path("out/song-wav/bass.wav").is_file()


def test_all_that_demucs_takes_at_once(stemsplit: Stemsplit, song: Path, repo: Path) -> None:
    command = "-d cpu --shifts 1 --overlap 0.25 --segment 1 --two-stems vocals --other-method add"
    command += " --mp3 --mp3-bitrate 192 --mp3-preset 2 --clip-mode rescale -j 2 -v"
    result = stemsplit(
        *command.split(), "--repo", repo, "-n", "small", "-o", "out", "--filename",
        "{track}/{stem}.{ext}", song,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert sorted(path.name for path in Path("out/song").iterdir()) == [
        "no_vocals.mp3",
        "stemsplit.json",
        "vocals.mp3",
    ]
