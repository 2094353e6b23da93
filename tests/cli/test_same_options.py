"""Python and the command line have the same options: their names, defaults and types agree."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import pytest

from stemsplit import Separator
from stemsplit.audio.formats import Encoding
from stemsplit.cli.options.declare import options_of
from stemsplit.cli.options.running import DeviceOptions, NetworkOptions
from stemsplit.cli.options.stem_files import FileOptions
from stemsplit.cli.options.wanted import ModelOptions
from stemsplit.engine.excerpt import Excerpt
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.separation import Separation

INIT = inspect.signature(Separator.__init__).parameters
SAVE = inspect.signature(Separation.save).parameters


def fields_of(*groups: type) -> Iterator[tuple[str, str, Any, Any]]:
    """Of each option its field, its name in Python, its default and its type."""
    for group in groups:
        types = get_type_hints(group)
        for each in dataclasses.fields(group):
            option = options_of(group).get(each.name)
            word = option.flag(each.name)[2:].replace("-", "_") if option else each.name
            name = each.name if each.name in {*INIT, *SAVE} else word
            yield each.name, name, each.default, types[each.name]


def plain(kind: Any) -> set[Any]:
    """The types in a union; a list is as good as a tuple of any length."""
    parts = set(get_args(kind)) if type(None) in get_args(kind) or "|" in str(kind) else {kind}
    return parts - {list[str]}


@pytest.mark.parametrize("group", [SeparationOptions, Excerpt])
def test_a_separator_has_the_options_of_the_sound_and_the_song(group: type) -> None:
    types = get_type_hints(Separator.__init__)
    for _, name, default, kind in fields_of(group):
        assert INIT[name].default == default, name
        assert plain(types[name]) == plain(kind), name


@pytest.mark.parametrize("call", [Separator.separate, Separator.blocks])
def test_each_call_may_choose_another_part_of_the_song(call: Any) -> None:
    parameters = inspect.signature(call).parameters
    assert {name for _, name, *_ in fields_of(Excerpt)} <= set(parameters)


def test_a_separator_has_the_options_of_the_command_line() -> None:
    types = get_type_hints(Separator.__init__)
    of_demucs = {"repo", "signature", "list_models"}
    for field, name, default, kind in fields_of(ModelOptions, DeviceOptions, NetworkOptions):
        if field in of_demucs or field == "threads":  # a library changes nothing in its host
            continue
        assert INIT[name].default == (None if name == "model" else default), name
        if name not in ("model", "then", "device"):  # where Python takes its own words as well
            assert types[name] == kind, name


def test_nothing_else_is_an_option_of_a_separator() -> None:
    groups = (SeparationOptions, Excerpt, ModelOptions, DeviceOptions, NetworkOptions)
    names = {name for _, name, *_ in fields_of(*groups)}
    # A task is a command of its own.
    assert INIT.keys() - names == {"self", "on_stage", "task", "reference"}


def test_stems_are_saved_with_the_options_of_their_files() -> None:
    encoding = {each.name: each.default for each in dataclasses.fields(Encoding)}
    assert SAVE["format"].default == encoding.pop("container")
    assert SAVE["bit_depth"].default == encoding.pop("subtype")
    assert {name: SAVE[name].default for name in encoding} == encoding
    assert (SAVE["clip"].default, SAVE["tags"].default) == (FileOptions().clip_policy(), True)
    files = {name for _, name, *_ in fields_of(FileOptions)}
    assert SAVE.keys() - files == {"self", "tags"}  # on the command line --no-tags
