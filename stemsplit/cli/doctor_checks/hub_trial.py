"""A Hub of one file on this machine, and a process that fetches it as a model is fetched."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import stemsplit
from stemsplit.cli.doctor_checks.tone import TrialError

_REPO, _FILE, _CONTENT = "stemsplit/trial", "trial.yaml", b"models: [trial]\n"
_COMMIT = "0123456789" * 4
_DEADLINE_SECONDS = 60


def fetched_from_loopback(home: Path) -> None:
    """Returns if a process of its own lists, fetches, verifies and caches the file below `home`.

    Raises:
        TrialError: it does not; what it says.
        OSError: this machine allows no server on 127.0.0.1.
    """
    with _served() as endpoint:
        # Proxies are for elsewhere, and the user's settings for the user's Hub.
        env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("HF_") and not name.lower().endswith("_proxy")
        }
        env |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
        try:
            child = subprocess.run(
                [sys.executable, "-m", __name__],
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_DEADLINE_SECONDS,
                cwd=Path(stemsplit.__file__).parents[1],  # where -m looks for modules
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise TrialError(f"no file came within {_DEADLINE_SECONDS} s") from None
    if child.returncode:
        lines = child.stderr.decode(errors="replace").strip().splitlines()
        raise TrialError(lines[-1] if lines else f"it ended with exit code {child.returncode}")


@contextmanager
def _served() -> Iterator[str]:
    """The address of the Hub, which stops at the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Requests are not printed."""

    def _answer(self) -> None:
        if self.path.startswith(f"/api/models/{_REPO}"):
            body = json.dumps({"sha": _COMMIT, "siblings": [{"rfilename": _FILE}]}).encode()
            headers = {"Content-Type": "application/json"}
        else:
            body = _CONTENT
            tag = hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False)
            headers = {"X-Repo-Commit": _COMMIT, "ETag": f'"{tag.hexdigest()}"'}
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def _fetch() -> None:
    """In the process of its own: raises where any step fails."""
    from stemsplit.hub.cache import HubRepo
    from stemsplit.hub.download import fetch_file
    from stemsplit.hub.remote import list_files
    from stemsplit.hub.transfer import Connection

    repo = HubRepo(repo_id=_REPO, revision="main")
    commit, names = list_files(repo)
    if (commit, names) != (_COMMIT, [_FILE]):
        raise TrialError("another list of files came back")
    fetched = fetch_file(repo, _FILE, Connection())
    cached = fetch_file(repo, _FILE, Connection(offline=True))
    if fetched.path.read_bytes() != _CONTENT or cached.sha256 != fetched.sha256:
        raise TrialError("another file came back")


if __name__ == "__main__":
    _fetch()
