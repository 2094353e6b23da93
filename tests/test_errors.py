from __future__ import annotations

import os

import pytest

from stemsplit.errors import StemsplitError, one_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain é 你好 👨‍👩‍👧 \\", "plain é 你好 👨‍👩‍👧 \\"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31m\a\x7f\x85", "\\x1b[31m\\x07\\x7f\\x85"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        (os.fsdecode(b"\xff\xe9"), "\\xff\\xe9"),
        ("\ud800", "\\ud800"),
    ],
)
def test_one_line_is_one_line_for_any_terminal(text: str, line: str) -> None:
    assert one_line(text) == line
    assert len(line.encode().decode().splitlines()) == 1
    assert str(StemsplitError(f"<{text}>", hint=f"<{text}>")) == f"<{line}> <{line}>"
