"""Runs inputs through a reader in child processes that may crash, hang or misbehave, and tells."""

from __future__ import annotations

import json
import logging
import mmap
import os
import re
import resource
import signal
import struct
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stemsplit.errors import StemsplitError

DEADLINE_SECONDS = 20.0
"""For one input. A hundred times what the slowest needs, for machines that do other things too."""

MAX_GROWTH_BYTES = 1 << 30
"""No input may make the address space grow by more."""

# Beyond the limit allocations fail, so that a finding does not take the machine down with it.
_ADDRESS_SPACE_MARGIN_BYTES = 4 << 30
_MAX_FINDINGS = 20

_FORBIDDEN_EVENTS = {
    *("exec", "compile", "import", "marshal.loads", "pickle.find_class", "ctypes.dlopen"),
    *("os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"),
    *("os.startfile", "subprocess.Popen", "socket.__new__", "socket.connect", "socket.bind"),
    *("socket.getaddrinfo", "urllib.Request"),
}
# The value is how many of the first arguments are paths.
_CHANGING_EVENTS = {
    **dict.fromkeys(("os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod"), 1),
    **dict.fromkeys(("os.chown", "os.utime"), 1),
    **dict.fromkeys(("os.rename", "os.link", "os.symlink"), 2),
}
_WRITING_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """An input and the number from which it was made."""

    number: int
    data: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """An input that did what no input may do. `what` ends in the last lines of the traceback."""

    number: int
    what: str
    input_file: str


@dataclass(slots=True)
class Report:
    """What became of the inputs: `num_read` were taken, `num_refused` met a StemsplitError."""

    num_read: int = 0
    num_refused: int = 0
    seconds: float = 0.0
    slowest_seconds: float = 0.0
    growth_bytes: int = 0
    findings: list[Finding] = field(default_factory=list)


def run(
    read: Callable[[Path], None],
    make: Callable[[int], bytes],
    numbers: range,
    *,
    suffix: str,
    folder: Path,
) -> Report:
    """What `read` did with the files that `make` gives for each of `numbers`.

    The files lie one after the other at `folder/input/case{suffix}`; `read` may write below
    `folder/output` and nowhere else. The calling process should have read an intact file before,
    so that all modules are loaded, and have no threads. Stops after twenty findings.
    """
    report = Report()
    started = time.monotonic()
    next_number = numbers.start
    while next_number < numbers.stop and len(report.findings) < _MAX_FINDINGS:
        rest = range(next_number, numbers.stop)
        next_number = _run_child(read, make, rest, suffix, folder, report) + 1
    report.seconds = time.monotonic() - started
    return report


def _run_child(
    read: Callable[[Path], None],
    make: Callable[[int], bytes],
    numbers: range,
    suffix: str,
    folder: Path,
    report: Report,
) -> int:
    """The last number that a child process worked on: all of them, unless one brought it down."""
    # The number of the input, and whether it was answered; survives whatever the child meets.
    current = mmap.mmap(-1, mmap.PAGESIZE)
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receiver)
        status = 1
        try:
            with os.fdopen(sender, "w", encoding="utf-8") as pipe:
                _Child(read, make, suffix, folder, current, pipe).run(numbers)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(sender)
    with os.fdopen(receiver, encoding="utf-8") as pipe:
        for line in pipe:
            _add_to(report, json.loads(line))
    _, status = os.waitpid(child, 0)
    last, is_answered = struct.unpack("<q?", current[:9])
    if not is_answered:
        what = _cause_of_death(os.waitstatus_to_exitcode(status))
        kept = _keep(make(last), last, suffix, folder)
        report.findings.append(Finding(number=last, what=what, input_file=kept))
    return int(last)


def _cause_of_death(code: int) -> str:
    if code == -signal.SIGALRM:
        return f"hung: no answer after {DEADLINE_SECONDS:g} seconds"
    if code < 0:
        return f"crashed: {signal.Signals(-code).name}"
    return f"ended before it had answered, with exit code {code}"


def _add_to(report: Report, message: dict[str, Any]) -> None:
    report.num_read += message["outcome"] == "read"
    report.num_refused += message["outcome"] == "refused"
    report.slowest_seconds = max(report.slowest_seconds, message["seconds"])
    report.growth_bytes = max(report.growth_bytes, message["growth_bytes"])
    if message["finding"]:
        report.findings.append(Finding(**message["finding"]))


def _keep(data: bytes, number: int, suffix: str, folder: Path) -> str:
    """The path of a file with the input, for whoever looks into the finding."""
    kept = folder / "findings"
    kept.mkdir(exist_ok=True)
    (kept / f"{number}{suffix}").write_bytes(data)
    return str(kept / f"{number}{suffix}")


class _Forbidden(BaseException):
    """What the audit hook raises. Not an Exception, so that nobody thinks of catching it."""


class _Child:
    """The child process: one input after the other, under watch."""

    def __init__(
        self,
        read: Callable[[Path], None],
        make: Callable[[int], bytes],
        suffix: str,
        folder: Path,
        current: mmap.mmap,
        pipe: Any,
    ) -> None:
        self._read, self._make, self._suffix, self._folder = read, make, suffix, folder
        self._current, self._pipe = current, pipe
        self._output = str(folder / "output")
        self._is_watching = False
        self._misdeeds: list[str] = []
        limit = _address_space("VmSize") + _ADDRESS_SPACE_MARGIN_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # kills, even in the middle of C code
        warnings.simplefilter("error")
        logging.disable(logging.CRITICAL)
        self._printed = os.open(folder, os.O_TMPFILE | os.O_RDWR)
        for standard in (1, 2):
            os.dup2(self._printed, standard)
        sys.addaudithook(self._audit)

    def run(self, numbers: range) -> None:
        for number in numbers:
            self._current[:9] = struct.pack("<q?", number, False)
            message = self._run_case(Case(number=number, data=self._make(number)))
            self._pipe.write(json.dumps(message) + "\n")
            self._pipe.flush()
            self._current[8:9] = struct.pack("?", True)
            if message["growth_bytes"] > MAX_GROWTH_BYTES // 4:
                return  # the peak stays: whatever comes next is measured in a new process

    def _run_case(self, case: Case) -> dict[str, Any]:
        path = self._folder / "input" / f"case{self._suffix}"
        path.write_bytes(case.data)
        size_before, peak_before = _address_space("VmSize"), _address_space("VmPeak")
        started = time.monotonic()
        outcome, problem = self._outcome(path)
        seconds = time.monotonic() - started
        peak_bytes = _address_space("VmPeak")
        growth_bytes = peak_bytes - size_before if peak_bytes > peak_before else 0
        if self._misdeeds:
            problem = f"did what no input may make it do: {', '.join(self._misdeeds)}"
            self._misdeeds = []
        elif problem is None and os.lseek(self._printed, 0, os.SEEK_CUR):
            os.lseek(self._printed, 0, os.SEEK_SET)
            problem = f"printed {os.read(self._printed, 500)!r}"
        elif problem is None and growth_bytes > MAX_GROWTH_BYTES:
            problem = f"the address space grew by {growth_bytes >> 20} MiB"
        os.lseek(self._printed, 0, os.SEEK_SET)
        os.truncate(self._printed, 0)
        finding = problem and {
            "number": case.number,
            "what": problem,
            "input_file": _keep(case.data, case.number, self._suffix, self._folder),
        }
        return {
            "outcome": outcome,
            "seconds": seconds,
            "growth_bytes": growth_bytes,
            "finding": finding,
        }

    def _outcome(self, path: Path) -> tuple[str, str | None]:
        signal.setitimer(signal.ITIMER_REAL, DEADLINE_SECONDS)
        self._is_watching = True
        try:
            self._read(path)
        except StemsplitError as error:
            self._is_watching = False
            is_one_line = len(str(error).splitlines()) == 1
            return "refused", None if is_one_line else f"no one-line message: {str(error)!r}"
        except BaseException:
            self._is_watching = False
            return "failed", "".join(traceback.format_exc(limit=-4))
        finally:
            self._is_watching = False
            signal.setitimer(signal.ITIMER_REAL, 0)
        return "read", None

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._is_watching and self._is_misdeed(event, arguments):
            self._is_watching = False
            self._misdeeds.append(f"{event} {arguments!r}"[:300])
            raise _Forbidden(event)

    def _is_misdeed(self, event: str, arguments: tuple[Any, ...]) -> bool:
        if event == "compile" and arguments[0] == b"_getframe()":
            return False  # Cython making a traceback
        if event in _FORBIDDEN_EVENTS:
            return True
        if event == "open":
            path, _, flags = arguments
            return bool(flags & _WRITING_FLAGS) and not self._may_change(path)
        paths = arguments[: _CHANGING_EVENTS.get(event, 0)]
        return not all(map(self._may_change, paths))

    def _may_change(self, path: object) -> bool:
        if isinstance(path, int):  # a descriptor, whose opening was seen
            return True
        name = os.path.realpath(os.fsdecode(path))  # type: ignore[call-overload]
        return name in (os.devnull, self._output) or name.startswith(self._output + os.sep)


def _address_space(field_name: str) -> int:
    status = Path("/proc/self/status").read_text()
    (kibibytes,) = re.findall(rf"^{field_name}:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kibibytes) << 10
