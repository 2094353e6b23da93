"""An option is declared once: what a command takes follows from its dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
import typer
from typer.testing import CliRunner

from stemsplit.cli.app import app
from stemsplit.cli.options.declare import DECLARED, WHAT, argument, declared, like, option, takes
from stemsplit.cli.options.running import MessageOptions, NetworkOptions
from stemsplit.cli.options.stem_files import FileOptions
from stemsplit.cli.options.wanted import ModelOptions
from stemsplit.engine.options import SeparationOptions
from stemsplit.errors import UsageError


@dataclass(frozen=True, kw_only=True, slots=True)
class Plain:
    """Knows nothing of a command line."""

    names: tuple[str, ...] | None = None
    how: Literal["add", "leave"] = "leave"
    kept: int = 7


DECLARED[Plain] = {
    "how": declared(panel=WHAT, words={"plus": "add"}, help="How."),
    "names": declared("--names", panel=WHAT, commas=True, metavar="A,B", help="Names."),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Own:
    songs: tuple[Path, ...] = argument((), panel=WHAT, metavar="SONG...", help="Songs.")
    num_times: int = option(2, "-t", "--times", panel=WHAT, least=1, most=9, metavar="N", help="N.")
    share: float | None = option(None, panel=WHAT, metavar="X", help="Share.")
    late: tuple[str, ...] = option((), panel=WHAT, after="how", metavar="X", help="Late.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Everything:
    own: Own
    plain: Plain
    loud: bool = option(False, panel=WHAT, help="Loud.")


def run(*arguments: str, only: set[str] | None = None, without: set[str] = frozenset()) -> object:  # type: ignore[assignment]
    """What a command of these groups gets."""
    got: list[Everything] = []

    @takes(only=only, without=without)
    def command(asked: Everything) -> None:
        got.append(asked)

    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return got[0] if got else result


def test_what_is_not_given_is_at_the_defaults_of_the_fields() -> None:
    assert run() == Everything(own=Own(), plain=Plain())


def test_values_become_what_the_fields_say() -> None:
    given = ["a.wav", "b.wav", "-t", "3", "--share", "0.5", "--late", "x", "--late", "y"]
    assert run(*given, "--names", "a, b,", "--how", "ADD", "--loud") == Everything(
        own=Own(songs=(Path("a.wav"), Path("b.wav")), num_times=3, share=0.5, late=("x", "y")),
        plain=Plain(names=("a", "b"), how="add"),
        loud=True,
    )
    assert run("--how", "plus") == run("--how", "add")


@pytest.mark.parametrize("value", ["0", "10", "x", "2.5"])
def test_numbers_have_their_limits(value: str) -> None:
    with pytest.raises(UsageError, match=r"--times must be a whole number between 1 and 9, got"):
        run("--times", value)


@pytest.mark.parametrize(
    ("chosen", "flags"),
    [
        ({}, ["--times", "--share", "--how", "--late", "--names", "--loud"]),
        ({"without": {"share", "late"}}, ["--times", "--how", "--names", "--loud"]),
        ({"only": {"loud"}}, ["--loud"]),
    ],
)
def test_options_stand_in_their_order(chosen: dict[str, set[str]], flags: list[str]) -> None:
    @takes(**chosen)  # type: ignore[arg-type]
    def command(asked: Everything) -> None:
        del asked

    app = typer.Typer()
    app.command()(command)
    params = typer.main.get_command(app).params
    found = [each.opts[-1] for each in params if each.param_type_name == "option"]
    assert [flag for flag in found if "completion" not in flag] == flags


def test_another_command_takes_the_same_groups() -> None:
    got: list[object] = []

    @takes(only={"models", "then", "folder", "format", "residual", "offline", "json"})
    def denoise(
        model: ModelOptions,
        files: FileOptions,
        wanted: SeparationOptions,
        network: NetworkOptions,
        messages: MessageOptions,
    ) -> None:
        got.extend([model.models, files.folder, files.encoding().container, wanted, network])
        got.append(messages.json)

    app = typer.Typer()
    app.command()(denoise)
    given = ["-m", "dns64", "-o", "out", "--format", "FLAC", "--residual", "--offline"]
    assert CliRunner().invoke(app, given).exit_code == 0
    assert got == [
        *(("dns64",), Path("out"), "flac"),
        SeparationOptions(residual=True),
        NetworkOptions(offline=True),
        False,
    ]
    assert CliRunner().invoke(app, ["--two-stems", "vocals"]).exit_code == 2


def test_a_like_option_differs_only_in_what_is_said() -> None:
    @dataclass(frozen=True, kw_only=True, slots=True)
    class Like:
        once: int = like(Own, "num_times", 1, help="Once.")

    (mine,), theirs = Like.__dataclass_fields__.values(), Own.__dataclass_fields__["num_times"]
    own, known = mine.metadata["option"], theirs.metadata["option"]
    assert (own.flags, own.least, own.settings["metavar"]) == (known.flags, known.least, "N")
    assert own.settings["help"] == "Once."
    assert mine.default == 1


def test_no_flag_means_two_things_in_a_command() -> None:
    group = typer.main.get_command(app)
    for command in group.commands.values():  # type: ignore[attr-defined]
        flags = [flag for option in command.params for flag in option.opts]
        assert len(flags) == len(set(flags))
