"""Every error that stemsplit raises on purpose.

    StemsplitError                    exit code 1
    ├── UsageError                    2   the command line or the arguments make no sense
    │   └── UnknownStemError          2   the model has no stem of that name
    ├── ModelError                    3   the model could not be had
    │   ├── UnknownModelError         3   no model of that name
    │   ├── HubUnreachableError       3   no network, or the Hub did not answer
    │   ├── NotOnHubError             3   the Hub answered: no such repository or file
    │   ├── NotInstalledError         3   pip could not bring the Python package with its weights
    │   └── CheckpointError           3   the file is damaged, or is not what it says
    ├── DeviceMemoryError             1   the device has too little memory for the network
    ├── OutputExistsError             1   a file that is not ours is where a stem should go
    ├── ReportError                   1   a page about a track could not be made
    └── AudioError                    1   one input or output failed; others may still work
        ├── AudioReadError            1
        └── AudioWriteError           1

A message says what happened and the value that was seen; the hint says what to do next. Library
code raises these and never prints or exits: `cli` turns them into one line and an exit code.
Values that come from outside go into a message through `quoting`, which keeps them short.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from numbers import Integral, Real

from stemsplit.quoting import quoted, shortened

MAX_MESSAGE = 20_000
"""Characters of a message, and as many of a hint: the last resort, for texts that grew unseen.

More than two paths that no system opens, since a message says at its end what is wrong with them.
"""

# Control characters, the other line ends of Unicode, and bytes of names that are no text.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def one_line(text: str) -> str:
    """`text` as one line that any terminal takes: names of files may hold anything."""
    return _UNPRINTABLE.sub(lambda match: _escaped(match[0]), text)


def _escaped(character: str) -> str:
    code = ord(character)
    # What os.fsdecode makes of an undecodable byte is shown as that byte.
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else ascii(character)[1:-1]


class StemsplitError(Exception):
    """What happened, and what to do next. `str(error)` is both in one line."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        message = shortened(message, MAX_MESSAGE)
        super().__init__(message)
        self.message = message
        self.hint = shortened(hint, MAX_MESSAGE)

    def __str__(self) -> str:
        return one_line(f"{self.message} {self.hint}".strip())


class UsageError(StemsplitError):
    """The options or arguments contradict each other or make no sense."""

    exit_code = 2


def check_choice(argument: str, value: object, choices: Sequence[str]) -> None:
    """Raises UsageError unless `value` is one of the `choices` that the argument has."""
    if value not in choices:
        *others, last = choices
        listed = f"{', '.join(others)} or {last}" if others else last
        raise UsageError(f"`{argument}` must be {listed}, got {value!r}.")


def check_number(argument: str, value: object, *, whole: bool = False) -> None:
    """Raises UsageError unless `value` is a number; NumPy's are some, too."""
    if isinstance(value, bool) or not isinstance(value, Integral if whole else Real):
        kind = "a whole number" if whole else "a number"
        raise UsageError(f"`{argument}` must be {kind}, got {quoted(value)}.")


def check_text(argument: str, value: object) -> None:
    """Raises UsageError unless `value` is a text."""
    if not isinstance(value, str):
        raise UsageError(f"`{argument}` must be a text, got {quoted(value)}.")


def check_texts(argument: str, values: Sequence[object], of_what: str) -> None:
    """Raises UsageError unless each value is a text, and for one in the place of several."""
    if isinstance(values, str):  # it would be its letters
        raise UsageError(f"`{argument}` must be a list of {of_what}, got {values!r}.")
    for value in values:
        check_text(argument, value)


class UnknownStemError(UsageError):
    """The model has no stem of that name."""


class DeviceMemoryError(StemsplitError):
    """The device has too little memory for the network, one chunk at a time."""


class OutputExistsError(StemsplitError):
    """A file that stemsplit did not make is where an output should go."""


class ReportError(StemsplitError):
    """A page about a track could not be made."""


class ModelError(StemsplitError):
    """The model could not be had."""

    exit_code = 3


class UnknownModelError(ModelError):
    """Neither the catalogue nor the disk knows a model of that name."""


class HubUnreachableError(ModelError):
    """The Hub could not be reached, or stemsplit was told to stay offline."""


class NotOnHubError(ModelError):
    """The Hub answered that the repository, revision or file does not exist."""


class NotInstalledError(ModelError):
    """The weights come with a Python package that is not installed, and pip cannot download."""


class CheckpointError(ModelError):
    """A checkpoint is damaged, is not what it says, or asks for something unsupported."""


class AudioError(StemsplitError):
    """One input or one output failed."""


class AudioReadError(AudioError):
    """The input is missing, is not audio, or cannot be decoded."""


class AudioWriteError(AudioError):
    """The stems could not be written."""
