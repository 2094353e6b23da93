"""`--help`: options in groups, in lines that fit the terminal, with every default said one way.

An option is declared once, in its user's words: `metavar` says what its value is, `rich_help_panel`
which group it is in, and `show_default` what happens without it, where its default value does not
say so by itself. Shown are its first short and its first long name.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from rich.text import Text
from typer.core import TyperCommand, TyperGroup

from stemsplit.cli.options.declare import MESSAGES
from stemsplit.cli.printer.console import fold, rendered, stdout
from stemsplit.cli.printer.tables import fitting_indent

MAX_WIDTH = 100
"""Lines that are longer are hard to read."""

_COLUMN = 26
_NARROW_COLUMN = 6


class HelpfulCommand(TyperCommand):
    """A command with such a help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        formatter.write(rendered(_help(self, ctx)))


class HelpfulGroup(TyperGroup):
    """A group of commands with such a help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        formatter.write(rendered(_help(self, ctx)))


def _help(command: TyperCommand | TyperGroup, ctx: Any) -> Iterator[Text]:
    """The lines, each of which fits the terminal unless a word of it does not."""
    width = min(MAX_WIDTH, stdout().width)
    yield from fold(Text(f"Usage: {ctx.command_path} {_usage(command, ctx)}"), width, indent=7)
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        yield Text()
        if paragraph.startswith("    "):
            for example in paragraph.split("\n"):
                yield from _example(example, width)
        else:
            yield from fold(Text(" ".join(paragraph.split())), width)
    for title, entries in _groups(command, ctx).items():
        yield Text()
        yield Text(title, style="bold underline")
        for names, text in entries:
            yield from _entry(names, text, width)


def _example(line: str, width: int) -> Iterator[Text]:
    """A command line, with what it does right of it, or else below."""
    if len(line) <= width:
        yield Text(line)
        return
    command, _, says = line.strip().partition("  ")
    yield from fold(Text(f"    {command}"), width, indent=8)
    for part in fold(Text(says.strip()), width - 8) if says else []:
        yield Text(" " * 8).append_text(part)


def _usage(command: TyperCommand | TyperGroup, ctx: Any) -> str:
    if isinstance(command, TyperGroup):
        return "COMMAND [ARGUMENTS]" if ctx.parent else "INPUT... [OPTIONS] | COMMAND [ARGUMENTS]"
    arguments = [each for each in command.get_params(ctx) if each.param_type_name == "argument"]
    return " ".join([*map(_names, arguments), "[OPTIONS]"])


def _groups(command: TyperCommand | TyperGroup, ctx: Any) -> Mapping[str, list[tuple[str, str]]]:
    """What stands in each group: the names of options and commands, and what they do."""
    groups: dict[str, list[tuple[str, str]]] = {}
    if isinstance(command, TyperGroup):
        commands = (command.get_command(ctx, name) for name in command.list_commands(ctx))
        groups["Commands"] = [
            (each.name or "", inspect.cleandoc(each.help or "").split("\n")[0])
            for each in commands
            if each is not None and not each.hidden
        ]
    for option in command.get_params(ctx):
        if not getattr(option, "hidden", False):
            title = getattr(option, "rich_help_panel", None) or MESSAGES
            groups.setdefault(title, []).append((_names(option), _says(option)))
    return groups


def _names(option: Any) -> str:
    """The option as it is typed, and what its value is."""
    if option.param_type_name == "argument":
        return str(option.metavar)
    short = [name for name in option.opts if not name.startswith("--")]
    long = [name for name in option.opts if name.startswith("--")]
    names = ", ".join([*short[:1], *long[:1], *option.secondary_opts])
    return names if option.is_flag else f"{names} {option.metavar}"


def _says(option: Any) -> str:
    """What the option does, and what happens without it. What is on or off, is off."""
    default = option.show_default if isinstance(option.show_default, str) else option.default
    if isinstance(default, Enum):
        default = default.value
    if isinstance(default, float):
        default = f"{default:g}"
    has_default = isinstance(default, (str, int, Path)) and not isinstance(default, bool)
    return f"{option.help} Default: {default}" if has_default else str(option.help or "")


def _entry(names: str, text: str, width: int) -> Iterator[Text]:
    """The names of an option, and right of them, or else below, what it does."""
    wide = width >= 2 * _COLUMN
    column = fitting_indent(text, _COLUMN, width, narrow=_NARROW_COLUMN) if wide else _NARROW_COLUMN
    head = Text(f"  {names}")
    if head.cell_len > width:  # choices, which may stand in several lines
        head = Text("  " + names.replace("|", " | "))
    head.highlight_regex(r"(?<!\S)--?[\w-]+", "bold")
    says = Text(text)
    says.highlight_regex("Default: .*$", "dim")
    lines = fold(says, width - column) if text else []
    heads = fold(head, width, indent=4)
    if lines and head.cell_len <= column - 2:
        head.pad_right(column - head.cell_len)
        heads = [head.append_text(lines.pop(0))]
    yield from heads
    for line in lines:
        yield Text(" " * column).append_text(line)
