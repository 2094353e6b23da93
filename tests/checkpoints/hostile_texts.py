"""Texts that are short, and endless once they are read."""

from __future__ import annotations

_LEVELS = "\n".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefg", "bcdefgh", strict=True)
)
# The billion laughs in 426 bytes: nine levels of nine aliases each.
LAUGHS = f"a: &a [lol]\n{_LEVELS}\nmodels: *h\n"
