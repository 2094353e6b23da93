"""`--help` is for people: grouped, in their words, in lines that fit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from stemsplit.cli.app import app

GROUP: Any = typer.main.get_command(app)
COMMANDS = [
    *((name, *rest) for name, command in GROUP.commands.items() for rest in [()]),
    *(("models", name) for name in GROUP.commands["models"].commands),
]


def parameters() -> Iterator[Any]:
    """All that a command takes."""
    for command in (*GROUP.commands.values(), *GROUP.commands["models"].commands.values()):
        yield from command.params


def help_of(*command: str, width: int = 80, **environment: str) -> str:
    result = CliRunner().invoke(
        app, [*command, "--help"], env={"COLUMNS": str(width), **environment}
    )
    assert result.exit_code == 0
    return result.stdout


def test_options_of_separate_stand_in_groups() -> None:
    text = help_of("separate")
    groups = ["Song, model and stems", "Files", "Sound", "Speed and quality", "Run", "Messages"]
    positions = [text.index(f"\n{group}") for group in groups]
    assert positions == sorted(positions)
    assert text.index("  -m, --model") < positions[1] < text.index("  --format") < positions[2]
    assert positions[3] < text.index("  -d, --device") < positions[4]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_there_are_no_types_of_python_in_it(command: tuple[str, ...]) -> None:
    text = help_of(*command)
    assert not re.search(r"\b(TEXT|PATH(?!\|)|INTEGER|FLOAT|FILENAME|DIRECTORY)\b", text)
    assert not re.search(r"<[a-z]+>|\[default|None|range x", text)


def test_every_value_has_a_name_and_every_option_says_what_it_does() -> None:
    for parameter in parameters():
        if getattr(parameter, "hidden", False) or parameter.name == "help":
            continue
        assert parameter.help, parameter.name
        assert getattr(parameter, "is_flag", False) or parameter.metavar, parameter.name


def test_defaults_are_said_in_one_way() -> None:
    for parameter in parameters():
        assert "default" not in (parameter.help or "").lower(), parameter.name
    text = " ".join(help_of("separate").split())
    for default in (
        "--output FOLDER Where the stems go. Default: separated ",
        "Default: htdemucs, or spectral where that cannot be had ",
        "Default: {model}/{dir}/{track}/{stem}.{ext} ",
        "Default: 24 ",
        "Default: common ",
        "--shifts N Random time shifts to average over, each as much work as the song; 0 is none. "
        "Default: 0 ",
    ):
        assert default in text


@pytest.mark.parametrize("command", [(), *COMMANDS], ids=" ".join)
@pytest.mark.parametrize("width", [40, 52, 55, 60, 80, 120, 200])
def test_lines_fit_and_words_are_whole(command: tuple[str, ...], width: int) -> None:
    words = set(help_of(*command, width=1000).replace("|", " | ").split())
    for line in help_of(*command, width=width).splitlines():
        assert len(line) <= min(width, 100), line
        assert set(line.replace("|", " | ").split()) <= words


def test_the_last_column_is_not_left_out_in_a_narrow_terminal() -> None:
    assert "--two-stems STEM\n      STEM and no_STEM, for karaoke say." in help_of(
        "separate", width=40
    )
