"""What a first word was meant to be that is neither a file nor a command."""

from __future__ import annotations

import difflib
import itertools
import os
import shlex
from collections.abc import Mapping, Sequence

from stemsplit.errors import UsageError

_OTHER_WORDS = {
    "help": "--help",
    "version": "--version",
    "split": "separate",
    "ls": "models list",
    "download": "models pull",
    "fetch": "models pull",
    "install": "models pull",
}


def closest_options(name: str, options: Sequence[str]) -> str:
    """A question, with a space before it: the options that look like a misspelled one, if any."""
    close = difflib.get_close_matches(name, options, n=2, cutoff=0.75)
    return f". Did you mean {' or '.join(close)}?" if close else ""


def check_first_word(arguments: Sequence[str], commands: Mapping[str, object]) -> None:
    """Finds commands that were misspelled, or that belong to a group of commands.

    Raises:
        UsageError: the first argument looks like one, and no file has its name.
    """
    word, *rest = arguments
    is_path = any(sign in word for sign in "./\\:") or os.path.lexists(word)
    if is_path or word.startswith("-"):
        return
    known = {**_OTHER_WORDS}
    for name, command in commands.items():
        known |= {sub: f"{name} {sub}" for sub in getattr(command, "commands", {})}
    known |= {name: name for name in commands}
    close = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.7)
    if close:
        meant = known[close[0]]
        if meant == "--help":  # of what was named after it
            words = list(itertools.takewhile(lambda word: not word.startswith("-"), rest))
            line = shlex.join([*words, meant])
        else:
            line = meant if meant.startswith("-") else f"{meant} {shlex.join(rest)}".strip()
        raise UsageError(
            f"There is no file and no command {word!r}.", hint=f"Did you mean `stemsplit {line}`?"
        )
