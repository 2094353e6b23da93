"""The command in a process of its own, and what it has left."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def nothing_left(folder: Path = Path("separated")) -> bool:
    return not folder.exists() or not any(path.is_file() for path in folder.rglob("*"))


def run_process(
    *arguments: str, program: Sequence[str] = ("-m", "stemsplit"), **options: object
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ},
        **options,  # type: ignore[call-overload]
    )
