"""A package as pip downloads it from the index that the user has set up; nothing is installed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from stemsplit.errors import NotInstalledError
from stemsplit.quoting import shortened

INDEX_HINT = "Check the network, and which package index pip asks: `pip config list`."
_MAX_REASON = 300
# Wheels alone: to make one of anything else, pip runs what is in it. What comes is kept elsewhere.
_OPTIONS = ("--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--quiet")


def download_wheel(requirement: str, folder: Path) -> Path:
    """The wheel of `NAME==VERSION`, in an empty folder, in which pip runs.

    Raises:
        NotInstalledError: there is no pip, or it could not download it.
    """
    if not sys.executable or importlib.util.find_spec("pip") is None:
        raise NotInstalledError(
            f"The Python package {requirement} is needed, and there is no pip here to download it.",
            hint=f"`uv pip install --no-deps {requirement}` brings it, or what else installs "
            "Python packages here.",
        )
    pip = subprocess.run(
        [sys.executable, "-m", "pip", "download", *_OPTIONS, f"--dest={folder}", requirement],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=folder,  # -m looks for modules where it runs, which is no folder of songs therefore
        check=False,
    )
    wheels = list(folder.glob("*.whl"))
    if pip.returncode or len(wheels) != 1:
        lines = pip.stderr.decode(errors="replace").strip().splitlines()
        why = shortened(lines[-1], _MAX_REASON) if lines else f"exit code {pip.returncode}"
        raise NotInstalledError(
            f"pip could not download {requirement} ({why}).",
            hint=INDEX_HINT,
        )
    return wheels[0]
