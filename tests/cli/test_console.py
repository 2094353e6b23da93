"""Lines on a terminal break between words, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from stemsplit.cli.printer.console import elapsed, fold


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12)),
    st.integers(1, 40),
    st.integers(0, 4),
)
def test_words_stay_whole_and_lines_fit(words: list[str], width: int, indent: int) -> None:
    text = " ".join(words)
    lines = [line.plain for line in fold(Text(text), width, indent=indent)]
    assert " ".join([lines[0], *(line[indent:] for line in lines[1:])]) == text
    for line in lines:
        assert cell_len(line) <= width or " " not in line.strip(" ")


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("Run `models pull x` now", 18, ["Run", "`models pull x`", "now"]),
        ("See x`a b`yyy now", 8, ["See x`a", "b`yyy", "now"]),
        ("Run `models pull x` now", 10, ["Run", "`models", "pull x`", "now"]),  # too long for it
        ("It took 3.00 s, of 4", 11, ["It took", "3.00 s, of", "4"]),
        ("song (0:03 in 0.4 s)", 16, ["song (0:03 in", "0.4 s)"]),
        ("3 songs are here", 10, ["3 songs", "are here"]),
        ("There are 3 songs", 12, ["There are 3", "songs"]),
    ],
)
def test_a_command_and_a_number_with_its_unit_stay_together(
    text: str, width: int, lines: list[str]
) -> None:
    assert [line.plain for line in fold(Text(text), width)] == lines


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (0.42, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "0:10"),
        (83, "1:23"),
        (3600, "1:00:00"),
    ],
)
def test_what_is_short_is_told_in_tenths(seconds: float, text: str) -> None:
    assert elapsed(seconds) == text


def test_styles_go_on_over_spaces_and_line_ends() -> None:
    lines = fold(Text.from_markup("[bold]one two three[/] four"), 8)
    assert [line.plain for line in lines] == ["one two", "three", "four"]
    assert [(span.start, span.end) for span in lines[0].spans] == [(0, 7)]
    assert [(span.start, span.end) for span in lines[1].spans] == [(0, 5)]
