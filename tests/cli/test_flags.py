"""The library speaks of arguments, the command line of flags."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

import stemsplit
from stemsplit.cli.app import app
from stemsplit.cli.flags import FLAGS, in_flags
from stemsplit.engine.separator import Separator
from stemsplit.errors import UsageError
from tests.cli.conftest import Stemsplit

PACKAGE = Path(stemsplit.__file__).parent


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("`overlap` must be below 1.", "--overlap must be below 1."),
        ("`stems` and `two_stems`", "--stems and --two-stems"),
        ("(`segment=4`, say)", "(--segment 4, say)"),
        ("Use `device='cpu'`.", "Use --device cpu."),
        ("`stems=['vocals', 'drums']`", "--stems vocals,drums"),
        ("`then=['vocals: karaoke']`", '--then "vocals: karaoke"'),
        ("`mixes=['a = b - 2*c']`", '--mix "a = b - 2*c"'),
        ("`mixes` 'x' has no name", "--mix 'x' has no name"),
        ("`overwrite=True`", "--overwrite"),
        ("`folder='a $b'`", "--output 'a $b'"),
        ("another `folder`.", "another --output."),
    ],
)
def test_arguments_become_flags(text: str, spoken: str) -> None:
    assert in_flags(text) == spoken


@pytest.mark.parametrize(
    "text",
    [
        "the stem `other`",
        "`stemsplit models list` shows them",
        "`stems`.wav",
        "x`stems`",
        "`stems`x",
        "`device=__import__('os')`",
        "`device='`",
        "`",
        "``",
        "`id` $(id)",
        "stems",
        "`stems\n`",
    ],
)
def test_all_else_stays(text: str) -> None:
    assert in_flags(text) == text


def known_flags() -> set[str]:
    """All options of all commands."""
    group = typer.main.get_command(app)
    commands = group.commands.values()  # type: ignore[attr-defined]
    return {flag for command in commands for option in command.params for flag in option.opts}


def test_there_is_each_flag_that_a_message_may_name() -> None:
    assert {flag.split()[0] for flag in FLAGS.values()} <= known_flags()


def test_there_is_a_flag_for_each_argument_of_a_separator() -> None:
    names = set(inspect.signature(Separator).parameters) - {"on_stage", "task"}
    assert names <= FLAGS.keys()


def texts(path: Path) -> Iterator[str]:
    """All texts in a module but docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in documentation:
            yield node.value


LIBRARY = [path for path in PACKAGE.rglob("*.py") if "cli" not in path.relative_to(PACKAGE).parts]


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_library_names_arguments_and_no_flags(path: Path) -> None:
    for text in texts(path):
        without_commands = re.sub("`(stemsplit|pip|uv) [^`]*(`|$)", "", text)
        is_sentence = " " in text.strip()
        assert not (is_sentence and re.search(r"(?<![\w-])--?[a-z]", without_commands)), text


def test_an_error_is_spelled_for_whoever_reads_it(stemsplit: Stemsplit, song: Path) -> None:
    with pytest.raises(UsageError, match=r"^`overlap` must be at least 0 and below 1, got 2.0\.$"):
        Separator("spectral", overlap=2.0)
    result = stemsplit(song, "-m", "spectral", "--overlap", "2")
    assert result.stderr == "Error: --overlap must be at least 0 and below 1, got 2.0.\n"


def test_what_is_said_of_a_song_is_spelled_for_whoever_reads_it(
    stemsplit: Stemsplit, song: Path
) -> None:
    arguments = (song, "-m", "spectral", "--end", "9")
    assert ": --end 9 s is after the end of song.wav" in stemsplit(*arguments).stderr
    record = json.loads(Path("separated/spectral/song/stemsplit.json").read_bytes())
    assert record["warnings"] == [
        "`end` 9 s is after the end of song.wav: the outputs end with it, at 0.50 s."
    ]
    result = stemsplit(*arguments, "--start", "8", "--json")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    (failed,) = (event for event in events if event["event"] == "failed")
    assert failed["error"] == (
        "song.wav is 0.50 s long, and --start is 8 s. Choose an earlier --start."
    )
