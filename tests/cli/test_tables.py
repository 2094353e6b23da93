"""Tables that fit."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from stemsplit.cli import tables

HEADER = ("name", "stems", "MB")
ROWS = [("one", "drums, bass, other", "12"), ("another_one", "vocals", "1000")]


def printed(monkeypatch: pytest.MonkeyPatch, width: int, *, terminal: bool = True) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=terminal, color_system=None)
    monkeypatch.setattr(tables, "stdout", lambda: console)
    tables.print_table(HEADER, ROWS, right=("MB",), wraps=("stems",))
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
        "  other, MB 12",
        "another_one",
        "  stems vocals, MB",
        "  1000",
    ]


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
        found = {word.strip(",") for word in line.split()} - {"x", "y", "z", ""}
        assert found <= words
        assert cell_len(line.rstrip()) <= width or len(line.split()) == 1
