"""What is being read, in a file that outlives the process: so that one file cannot end every run.

Decoders are native code: a file that leads one astray takes the process with it, and would do so
again each night. So the files that are being read are named in a hidden file in the output folder.
It stays when the process dies, and the next run finds in it who is under suspicion: what was being
read then. These files are tried last, in a process of their own. If that dies as well, the file is
reported as failed, and stays under suspicion until it changes. If it does not, the death had
another cause (a power cut, too little memory), and the file is done like any other.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from stemsplit.audio.file_names import display_path
from stemsplit.audio.reading import kept
from stemsplit.audio.write.output_files import make_folders, remove_folders
from stemsplit.batch.lock import release
from stemsplit.batch.trial import try_reading
from stemsplit.device.cancel import Check, never
from stemsplit.errors import AudioReadError
from stemsplit.files import read_regular

_PREFIX = ".stemsplit-reading-"
_MAX_BYTES = 1 << 24

State = tuple[int, int]
"""Size in bytes and time of change in nanoseconds: a file that was changed is another one."""


class SuspectError(AudioReadError):
    """The file was being read when a process died, and has not been tried since."""


class ReadingJournal:
    """The journal of this process. It knows `suspects`: files that earlier ones may have died of.

    `file`: where it is kept; None keeps it in memory alone.
    """

    def __init__(self, file: Path | None, suspects: Mapping[str, State]) -> None:
        self._file = None if file is None else file.open("xb", buffering=0)
        self._suspects = dict(suspects)
        self._reading: dict[str, State] = {}
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._write()

    @property
    def suspects(self) -> list[Path]:
        """The files that are not cleared."""
        return [Path(name) for name in self._suspects]

    def is_suspect(self, path: Path) -> bool:
        """Whether the file has to be tried in a process of its own before it is read in this."""
        state = self._suspects.get(_name(path))
        return state is not None and state == _state(path)

    def begin(self, path: Path) -> None:
        """Notes that the file is being read.

        Raises:
            SuspectError: it is a suspect.
        """
        if self.is_suspect(path):
            raise SuspectError(
                f"{display_path(path)} was being read when an earlier run died.",
                hint="It is tried in a process of its own, once songs are separated.",
            )
        name = _name(path)
        with self._lock:
            self._counts[name] += 1
            if self._counts[name] == 1 and (state := _state(path)) is not None:
                self._reading[name] = state
                self._write()

    def end(self, path: Path) -> None:
        """Notes that it is not any more; called as often as `begin`."""
        name = _name(path)
        with self._lock:
            self._counts[name] -= 1
            if not self._counts[name]:
                del self._counts[name]
                if self._reading.pop(name, None) is not None:
                    self._write()

    def try_suspect(self, path: Path, check: Check = never) -> bool:
        """Reads a suspect in a process of its own, and clears it. False: it is no readable audio.

        `check` is called meanwhile.

        Raises:
            AudioReadError: the process died of it.
        """
        verdict = try_reading(path, check)
        if verdict not in ("readable", "refused"):
            raise AudioReadError(
                f"{display_path(path)} ends the program that reads it ({verdict}), for the second "
                "time: a decoder cannot cope with it.",
                hint="Convert it to wav or flac with another program, or move it away.",
            )
        with self._lock:
            self._suspects.pop(_name(path), None)
            self._write()
        return verdict == "readable"

    def close(self) -> None:
        """Ends the journal in order: only suspects are left in it."""
        with self._lock:
            self._reading.clear()
            self._write()
            if self._file is not None:
                self._file.close()
                self._file = None

    def _write(self) -> None:
        """Puts everything into the file, as one line that is complete at every moment."""
        if self._file is None:
            return
        line = json.dumps({"reading": self._reading, "suspects": self._suspects}).encode() + b"\n"
        with suppress(OSError):  # a full disk: then there is no journal
            self._file.seek(0)
            self._file.write(line)
            self._file.truncate()


@contextmanager
def keep_journal(folder: Path, *, read_only: bool = False) -> Iterator[ReadingJournal]:
    """The journal of all that this process reads while the context lasts, kept in `folder`.

    It takes over the suspicions of processes that have died. A folder that cannot be written is no
    error here. `read_only`: nothing is written, and nothing is taken over.
    """
    with ExitStack() as stack:
        file = None
        if not read_only:
            with suppress(OSError):
                file = _new_file(folder, stack)
        journal = _open(folder, file)
        try:
            with kept(journal):
                yield journal
        finally:
            journal.close()
            if file is not None and not journal.suspects:
                file.unlink(missing_ok=True)


def _new_file(folder: Path, stack: ExitStack) -> Path:
    """The place for a journal, with a lock that tells that its process is alive."""
    made_folders = make_folders(folder)
    stack.callback(remove_folders, made_folders)
    file = folder / f"{_PREFIX}{secrets.token_hex(8)}.json"
    lock = FileLock(file.with_suffix(".lock"), timeout=0)
    lock.acquire()
    stack.callback(release, lock)
    return file


def _open(folder: Path, file: Path | None) -> ReadingJournal:
    """A journal that has read those of dead processes, and takes their place if it has a `file`."""
    with ExitStack() as locks:
        others = [each for each in sorted(folder.glob(f"{_PREFIX}*.json")) if each != file]
        dead = [each for each in others if _is_dead(each, locks, takes_over=file is not None)]
        suspects = {name: state for each in dead for name, state in read_journal(each)}
        try:
            journal = ReadingJournal(file, suspects)
        except OSError:
            return ReadingJournal(None, suspects)
        if file is not None:
            for each in dead:
                with suppress(OSError):
                    each.unlink()
        return journal


def _is_dead(file: Path, locks: ExitStack, *, takes_over: bool) -> bool:
    """Whether the process whose journal this is has ended. Its lock is held until `locks` end."""
    lock = FileLock(file.with_suffix(".lock"), timeout=0)
    if not Path(lock.lock_file).exists():
        return True  # it ended in order, and left suspects
    try:
        lock.acquire()
    except (Timeout, OSError):
        return False
    locks.callback(release, lock) if takes_over else locks.callback(lock.release)
    return True


def read_journal(file: Path) -> Iterator[tuple[str, State]]:
    """What a journal names, as far as it is still there and unchanged."""
    try:
        line = read_regular(file, _MAX_BYTES).partition(b"\n")[0]
        document = json.loads(line)
        named = {**document["suspects"], **document["reading"]}
        states = {Path(name): (size, time) for name, (size, time) in named.items()}
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return  # a power cut, or somebody else's
    yield from ((_name(path), state) for path, state in states.items() if _state(path) == state)


def _name(path: Path) -> str:
    return str(path.absolute())


def _state(path: Path) -> State | None:
    """None if there is no file, or none of that name can be."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns
