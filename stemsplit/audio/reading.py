"""Which files are being read, for a journal that outlives the process.

The decoders are native code, and one that is led astray by a file ends the whole process without a
word. Whoever keeps a journal (`stemsplit.batch.journal`) is told here of every file that is opened,
by whatever part of the program, and may object.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol


class Journal(Protocol):
    def begin(self, path: Path) -> None:
        """Called before a file is opened.

        Raises:
            AudioReadError: it must not be read in this process.
        """

    def end(self, path: Path) -> None:
        """Called after it was closed."""


_journal: Journal | None = None


@contextmanager
def kept(journal: Journal) -> Iterator[None]:
    """Has the journal told of all files that this process reads; only one can be kept at a time."""
    global _journal
    before, _journal = _journal, journal
    try:
        yield
    finally:
        _journal = before


@contextmanager
def being_read(path: Path) -> Iterator[None]:
    """A context in which the file is read.

    Raises:
        AudioReadError: by the journal, it must not be.
    """
    journal = _journal
    if journal is None:
        yield
        return
    journal.begin(path)
    try:
        yield
    finally:
        journal.end(path)
