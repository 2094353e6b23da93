"""Tables that fit."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from stemsplit.cli.printer import tables

HEADER = ("name", "stems", "MB")
ROWS = [("one", "drums, bass, other", "12"), ("another_one", "vocals", "1000")]


def printed(
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    *,
    terminal: bool = True,
    spare: Sequence[str] = (),
) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=terminal, color_system=None)
    monkeypatch.setattr(tables, "stdout", lambda: console)
    tables.print_table(HEADER, ROWS, right=("MB",), wraps=("stems",), spare=spare)
    return file.getvalue().splitlines()


def test_a_table_that_fits_is_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed(monkeypatch, 80) == [
        "name         stems                 MB",
        "one          drums, bass, other    12",
        "another_one  vocals              1000",
    ]


def test_columns_become_narrower_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed(monkeypatch, 28) == [
        "name         stems        MB",
        "one          drums,       12",
        "             bass,",
        "             other",
        "another_one  vocals     1000",
    ]


def test_what_cannot_be_narrow_enough_becomes_paragraphs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed(monkeypatch, 20) == [
        "one",
        "  stems drums, bass,",
        "  other; MB 12",
        "another_one",
        "  stems vocals",
        "  MB 1000",
    ]


def test_columns_to_spare_are_left_out_before_it_comes_to_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert printed(monkeypatch, 20, spare=("stems", "MB")) == [
        "name           MB",
        "one            12",
        "another_one  1000",
    ]
    assert printed(monkeypatch, 28, spare=("none of that name", "MB"))[0].endswith("MB")
    assert printed(monkeypatch, 5, spare=("MB", "stems"))[:2] == ["one", "  stems"]


def test_what_was_left_out_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    console = Console(file=io.StringIO(), width=20, force_terminal=True)
    monkeypatch.setattr(tables, "stdout", lambda: console)
    spare = ("speed", "stems", "MB")
    assert list(tables.print_table(HEADER, ROWS, right=("MB",), spare=spare)) == ["stems"]
    assert capsys.readouterr().err == "Left out, for want of room: stems.\n"


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (40, ["name      a-word-of-twenty-two-x and", "          more"]),
        (30, ["name", "    a-word-of-twenty-two-x and", "    more"]),
        (20, ["name", "    a-word-of-twenty-two-x", "    and more"]),
    ],
)
def test_a_long_word_beside_a_name_goes_below_it_before_it_is_cut(
    monkeypatch: pytest.MonkeyPatch, width: int, lines: list[str]
) -> None:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=True, color_system=None)
    monkeypatch.setattr(tables, "stdout", lambda: console)
    tables.print_indented("name      ", "a-word-of-twenty-two-x and more")
    assert [line.rstrip() for line in file.getvalue().splitlines()] == lines


def test_titles_are_folded_over_figures_which_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    console = Console(file=file, width=11, force_terminal=True, color_system=None)
    monkeypatch.setattr(tables, "stdout", lambda: console)
    tables.print_table(("name", "first stems"), [("one", "1.5 s")], right=("first stems",))
    assert file.getvalue().splitlines() == ["name  first", "      stems", "one   1.5 s"]
    file.truncate(0)
    file.seek(0)
    tables.print_table(("name", "MB"), [])
    assert file.getvalue().splitlines() == ["name  MB"]


def test_programs_get_tabs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed(monkeypatch, 20, terminal=False)
    assert capsys.readouterr().out.splitlines() == ["\t".join(row) for row in (HEADER, *ROWS)]


@given(
    st.lists(st.lists(st.text("ab ü你", max_size=12), min_size=3, max_size=3), min_size=1),
    st.integers(5, 60),
)
def test_no_word_is_ever_cut(rows: list[list[str]], width: int) -> None:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=True, color_system=None)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(tables, "stdout", lambda: console)
        tables.print_table(("x", "y", "z"), rows, right=("z",))
    words = {word for row in rows for cell in row for word in cell.split()}
    for line in file.getvalue().splitlines():
        found = {word.strip(";") for word in line.split()} - {"x", "y", "z", ""}
        assert found <= words
        assert cell_len(line.rstrip()) <= width or len(line.split()) == 1
