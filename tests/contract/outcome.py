"""What a command line leaves behind, described."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from typer.testing import CliRunner

from stemsplit.audio.source import probe, read_blocks
from stemsplit.cli.app import app
from stemsplit.version import __version__

_AUDIO = {".wav", ".flac", ".aiff", ".mp3", ".ogg", ".opus", ".m4a", ".mp4"}
_NEVER_THE_SAME = {
    *("seconds", "modified_ns", "realtime_factor", "estimated_seconds"),
    *("device", "bytes", "prefixes", "time"),
}
"""Keys of JSON whose values are times, or depend on the machine and its libraries."""
_DIGESTS = re.compile(r"\b[0-9a-f]{64}\b")
_DEEP_DB = -100
"""Below this level there is only what CPUs round otherwise."""
_TIMES = re.compile(r"\b\d+:\d\d(:\d\d)?\b|\b\d+(\.\d+)? [sx]\b")


class Runner:
    """Runs command lines in a folder, and says what is different there after each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._before = _digests(folder)

    def run(self, line: Sequence[str]) -> Outcome:
        result = CliRunner().invoke(app, list(line))
        return Outcome(
            result.exit_code, result.stdout, result.stderr, self._folder, self._changed()
        )

    def _changed(self) -> dict[str, str | None]:
        """The digest of each file that is new or other than before; None if it is gone."""
        after = _digests(self._folder)
        gone = {name: None for name in self._before if name not in after}
        changed = {name: each for name, each in after.items() if self._before.get(name) != each}
        self._before = after
        return dict(sorted({**gone, **changed}.items()))


class Outcome:
    """What became of one command line; `digests` are those of the files that it changed."""

    def __init__(
        self,
        exit_code: int,
        stdout: str,
        stderr: str,
        folder: Path,
        changed: Mapping[str, str | None],
    ) -> None:
        self._folder = folder
        self._exit_code, self._stdout, self._stderr = exit_code, stdout, stderr
        self._changed = changed

    def described(self) -> dict[str, Any]:
        """The same on every machine, but for small differences of numbers."""
        return {
            "exit_code": self._exit_code,
            "stdout": [self._line(line) for line in self._stdout.splitlines()],
            "errors": [self._text(line) for line in self._stderr.splitlines() if "rror" in line],
            "files": {
                name: None if digest is None else self._describe(self._folder / name)
                for name, digest in self._changed.items()
            },
        }

    def exact(self) -> dict[str, Any]:
        """To the bit, for one machine; of what differs from run to run, as `described`."""
        described = self.described()
        files = {
            name: described["files"][name] if name.endswith(".json") else digest
            for name, digest in self._changed.items()
        }
        return {**described, "files": files}

    def _line(self, line: str) -> object:
        try:
            return self._plain(json.loads(line))
        except ValueError:
            return self._text(line)

    def _describe(self, path: Path) -> object:
        if path.suffix in _AUDIO:
            return _describe_audio(path)
        if path.suffix == ".json":
            return self._plain(json.loads(path.read_text(encoding="utf-8")))
        return path.stat().st_size

    def _plain(self, value: Any) -> Any:
        """JSON without what no other machine, folder or run would say."""
        if isinstance(value, Mapping):
            return {
                self._text(key): _kind(each) if key in _NEVER_THE_SAME else self._plain(each)
                for key, each in value.items()
            }
        if isinstance(value, list):
            return [self._plain(each) for each in value]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        text = text.replace(str(self._folder), "FOLDER").replace(__version__, "VERSION")
        return _DIGESTS.sub("SHA256", _TIMES.sub("TIME", text))


def differences(before: Any, after: Any, at: str = "", *, exact: bool = False) -> Iterator[str]:
    """Where two outcomes differ. Unless `exact`, numbers may by what CPUs round otherwise."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in {**before, **after}:
            where = f"{at}/{key}"
            if key not in after:
                yield f"{where} is gone"
            elif key not in before:
                yield f"{where} is new: {after[key]}"
            else:
                yield from differences(before[key], after[key], where, exact=exact)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, pair in enumerate(zip(before, after, strict=True)):
            yield from differences(*pair, f"{at}/{index}", exact=exact)
    elif before != after if exact else not _close(before, after):
        yield f"{at}: {before!r} became {after!r}"


def _close(before: Any, after: Any) -> bool:
    if isinstance(before, float) and isinstance(after, int | float):
        both_deep = before < _DEEP_DB and after < _DEEP_DB
        return both_deep or math.isclose(before, after, rel_tol=2e-3, abs_tol=2e-2)
    return type(before) is type(after) and bool(before == after)


def _describe_audio(path: Path) -> dict[str, Any]:
    info = probe(path)
    samples = np.concatenate([block.numpy() for block in read_blocks(path)], axis=-1)  # [C, T]
    power = np.mean(np.square(samples, dtype=np.float64), axis=-1)
    return {
        "codec": soundfile.info(path).subtype if path.suffix in (".wav", ".aiff") else info.codec,
        "sample_rate": info.sample_rate,
        "channels": list(info.channels),
        "num_samples": samples.shape[-1],
        "levels_dbfs": [round(10 * math.log10(max(each, 1e-12)), 2) for each in power.tolist()],
    }


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__
