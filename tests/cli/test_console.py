"""Lines on a terminal break between words, and nowhere else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from stemsplit.cli.console import fold


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


def test_styles_go_on_over_spaces_and_line_ends() -> None:
    lines = fold(Text.from_markup("[bold]one two three[/] four"), 8)
    assert [line.plain for line in lines] == ["one two", "three", "four"]
    assert [(span.start, span.end) for span in lines[0].spans] == [(0, 7)]
    assert [(span.start, span.end) for span in lines[1].spans] == [(0, 5)]
