"""A first word that is neither a file nor a command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Stemsplit


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["list"], "models list"),
        (["lst", "--json"], "models list --json"),
        (["model", "list"], "models list"),
        (["seperate", "my song.mp3"], "separate 'my song.mp3'"),
        (["Separate", "x"], "separate x"),
        (["pull", "htdemucs"], "models pull htdemucs"),
        (["download", "htdemucs"], "models pull htdemucs"),
        (["split", "x.wav"], "separate x.wav"),
        (["raport"], "report"),
        (["docter"], "doctor"),
        (["help"], "--help"),
        (["help", "separate"], "separate --help"),
        (["halp", "models", "list", "--json"], "models list --help"),
        (["version"], "--version"),
    ],
)
def test_what_was_meant_is_named(stemsplit: Stemsplit, arguments: list[str], meant: str) -> None:
    result = stemsplit(*arguments)
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: There is no file and no command {arguments[0]!r}. "
        f"Did you mean `stemsplit {meant}`?\n"
    )


def test_a_file_or_folder_of_that_name_is_a_song(stemsplit: Stemsplit, song: Path) -> None:
    for name in ("list", "seperate"):
        song.rename(name)
        song = Path(name)
        assert stemsplit(name, "-m", "spectral", "--stems", "bass").exit_code == 0
    Path("model").mkdir()
    assert "The folder model holds no audio" in stemsplit("model").stderr


@pytest.mark.parametrize("name", ["demo.wav", "./list", "nothing like it", "vocals", "list/x"])
def test_what_can_be_no_command_is_a_missing_song(stemsplit: Stemsplit, name: str) -> None:
    result = stemsplit(name, "-m", "spectral")
    assert result.exit_code == 1
    assert "does not exist" in result.stderr


def test_a_command_of_a_group_and_an_option_are_guessed_too(stemsplit: Stemsplit) -> None:
    for arguments, meant in (
        (["models", "lst"], "'list'?"),
        (["separate", "x", "--two-stem", "vocals"], "--two-stems?"),
        (["x", "--modle", "vocals"], "--model?"),
        (["models", "list", "--jsn"], "--json?"),
    ):
        result = stemsplit(*arguments)
        assert result.exit_code == 2
        assert f"Did you mean {meant} Try `" in result.stderr
        assert result.stderr.count("\n") == 1


def test_an_option_like_no_other_is_not_guessed(stemsplit: Stemsplit) -> None:
    result = stemsplit("x", "--dl")
    assert result.stderr.startswith("Error: No such option: --dl. Try `")
