"""Fuzzes the readers of stemsplit: `python -m tests.fuzz [KIND...] --count 20000 --seed 1`.

Every input is made from the kind, the seed and its number alone, so a finding is made again with
`python -m tests.fuzz KIND --seed SEED --first NUMBER --count 1`. Findings are kept as files in the
folder that is named with them. One line of JSON per kind goes to stdout; the exit code is 1 if
there are findings. `--list` shows the kinds. Linux only.

CI runs the same with few inputs (`test_fuzz.py`); STEMSPLIT_FUZZ_COUNT sets their number there.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib
import json
import pkgutil
import sys
import tempfile
from pathlib import Path

from stemsplit.errors import StemsplitError
from tests.fuzz import sandbox
from tests.fuzz.targets import TARGETS

_IMPORTED_LATE = (
    *("av.subtitles.stream", "av.subtitles.codeccontext", "av.subtitles.subtitle"),
    *("av.video.stream", "av.video.codeccontext", "av.stream"),
    *("encodings.utf_16_be", "encodings.utf_16_le", "encodings.utf_32_be", "encodings.utf_32_le"),
    *("encodings.utf_16", "encodings.utf_32", "encodings.utf_8_sig", "encodings.cp437"),
    *("encodings.unicode_escape", "encodings.raw_unicode_escape", "encodings.latin_1"),
    *("encodings.cp932", "encodings.cp1252", "_codecs_jp", "_multibytecodec"),
)
"""What libraries load for some inputs only; loaded before, so that an import is a finding."""


def _modules_of(package: str) -> list[str]:
    """All modules right below a package; what is in `mutagen._tools` and the like is a program."""
    folders = importlib.import_module(package).__path__
    found = pkgutil.iter_modules(folders, f"{package}.")
    return [module.name for module in found if not module.ispkg]


def fuzz(kind: str, numbers: range, *, seed: int, folder: Path) -> sandbox.Report:
    """What became of the inputs of one kind."""
    target = TARGETS[kind]
    for name in ("input", "output"):
        (folder / name).mkdir(parents=True)
    seeds = target.seeds(folder)
    for module in (*_IMPORTED_LATE, *_modules_of("mutagen"), *_modules_of("stemsplit.audio")):
        importlib.import_module(module)
    path = folder / "input" / f"warm up{target.suffix}"
    for data in (*seeds, b"junk"):  # what they import is loaded before the watching begins
        path.write_bytes(data)
        with contextlib.suppress(StemsplitError):
            target.read(path)
    path.unlink()
    return sandbox.run(
        target.read,
        lambda number: target.make(seeds, f"{kind} {seed} {number}"),
        numbers,
        suffix=target.suffix,
        folder=folder,
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("kinds", metavar="KIND", nargs="*", default=list(TARGETS))
    parser.add_argument("--count", type=int, default=1000, help="inputs of each kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="show the kinds and do nothing")
    options = parser.parse_args(arguments)
    if options.list:
        print(*TARGETS, sep="\n")
        return 0
    folder = Path(tempfile.mkdtemp(prefix="stemsplit-fuzz-"))
    num_findings = 0
    for kind in options.kinds:
        count = max(1, round(options.count * TARGETS[kind].weight))
        numbers = range(options.first, options.first + count)
        report = fuzz(kind, numbers, seed=options.seed, folder=folder / kind)
        num_findings += len(report.findings)
        print(json.dumps({"kind": kind, **dataclasses.asdict(report)}), flush=True)
    return 1 if num_findings else 0


if __name__ == "__main__":
    sys.exit(main())
