"""A terminal of any width, and what stands on it after a command."""

from __future__ import annotations

import os
import re
import select
import struct
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]

_SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b\][^\a]*\a|([\r\n])|([^\x1b\r\n]+)")


@dataclass
class Screen:
    """Lines without end, and every state of the bottom line: what a progress line has said."""

    lines: list[str] = field(default_factory=lambda: [""])
    seen: list[str] = field(default_factory=list)
    styles: set[str] = field(default_factory=set)
    _row: int = 0
    _column: int = 0

    def feed(self, text: str) -> None:
        for match in _SEQUENCE.finditer(text):
            argument, command, end, plain = match.groups()
            if command == "m":
                self.styles.add(argument)
            elif command == "A":
                self._row -= int(argument or 1)
            elif command == "K":
                self.lines[self._row] = ""
            elif end == "\r":
                self._column = 0
            elif end == "\n":
                self._row += 1
                self.lines += [""] * (self._row + 1 - len(self.lines))
            elif plain:
                line = self.lines[self._row].ljust(self._column)
                after = self._column + len(plain)
                self.lines[self._row] = line[: self._column] + plain + line[after:]
                self._column = after
                self.seen.append(self.lines[self._row].rstrip())

    @property
    def text(self) -> list[str]:
        """The lines that are not empty."""
        return [line.rstrip() for line in self.lines if line.strip()]


def run_in_terminal(
    *arguments: str, width: int, folder: Path, **environment: str
) -> tuple[int, Screen]:
    """The exit code of `stemsplit` with these arguments, and what it has shown."""
    import fcntl
    import pty
    import termios

    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    environment = {"TERM": "xterm-256color", "HF_HUB_OFFLINE": "1", **environment}
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE")
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "stemsplit", *arguments],
        stdin=child,
        stdout=child,
        stderr=child,
        cwd=folder,
        env={**inherited, **environment},
    )
    os.close(child)
    received = b""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        ready, _, _ = select.select([parent], [], [], 0.2)
        try:
            piece = os.read(parent, 65_536) if ready else b""
        except OSError:  # the other end is closed
            break
        received += piece
        if not piece and process.poll() is not None:
            break
    exit_code = process.wait(timeout=60)
    os.close(parent)
    screen = Screen()
    screen.feed(received.decode())
    return exit_code, screen
