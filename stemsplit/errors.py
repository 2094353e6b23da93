"""Every error that stemsplit raises on purpose.

    StemsplitError                    exit code 1
    ├── UsageError                    2   the command line or the arguments make no sense
    │   └── UnknownStemError          2   the model has no stem of that name
    ├── ModelError                    3   the model could not be had
    │   ├── UnknownModelError         3   no model of that name
    │   ├── HubUnreachableError       3   no network, or the Hub did not answer
    │   ├── NotOnHubError             3   the Hub answered: no such repository or file
    │   └── CheckpointError           3   the file is damaged, or is not what it says
    ├── OutputExistsError             1   a file that is not ours is where a stem should go
    └── AudioError                    1   one input or output failed; others may still work
        ├── AudioReadError            1
        └── AudioWriteError           1

A message says what happened and the value that was seen; the hint says what to do next. Library
code raises these and never prints or exits: `cli` turns them into one line and an exit code.
"""

from __future__ import annotations


class StemsplitError(Exception):
    """What happened, and what to do next. `str(error)` is both in one line."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class UsageError(StemsplitError):
    """The options or arguments contradict each other or make no sense."""

    exit_code = 2


class UnknownStemError(UsageError):
    """The model has no stem of that name."""


class OutputExistsError(StemsplitError):
    """A file that stemsplit did not make is where an output should go."""


class ModelError(StemsplitError):
    """The model could not be had."""

    exit_code = 3


class UnknownModelError(ModelError):
    """Neither the catalogue nor the disk knows a model of that name."""


class HubUnreachableError(ModelError):
    """The Hub could not be reached, or stemsplit was told to stay offline."""


class NotOnHubError(ModelError):
    """The Hub answered that the repository, revision or file does not exist."""


class CheckpointError(ModelError):
    """A checkpoint is damaged, is not what it says, or asks for something unsupported."""


class AudioError(StemsplitError):
    """One input or one output failed."""


class AudioReadError(AudioError):
    """The input is missing, is not audio, or cannot be decoded."""


class AudioWriteError(AudioError):
    """The stems could not be written."""
