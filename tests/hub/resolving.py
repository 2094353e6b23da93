"""Models resolved in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def resolve_in_subprocess(env: dict[str, str]) -> str:
    """What the HubUnreachableError says; the timeout only guards against a hang."""
    code = (
        "from stemsplit.errors import HubUnreachableError\n"
        "from stemsplit.hub.resolve import resolve\n"
        "try: resolve('htdemucs')\n"
        "except HubUnreachableError as error: print(error)\n"
    )
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**env, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    ).stdout
