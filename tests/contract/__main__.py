"""`python -m tests.contract record`, or `digests FILE`, or `compare FILE FILE`; see the package.

`record` writes what the test expects; look at its difference before it is committed. `digests`
writes what this machine makes to the bit, and `compare` lists in what two of these differ.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.contract.commands import STORIES
from tests.contract.outcome import differences
from tests.contract.stories import EXPECTED, tell


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("record")
    commands.add_parser("digests").add_argument("file", type=Path)
    compare = commands.add_parser("compare")
    compare.add_argument("before", type=Path)
    compare.add_argument("after", type=Path)
    chosen = parser.parse_args()
    if chosen.command == "compare":
        before, after = (json.loads(path.read_text()) for path in (chosen.before, chosen.after))
        found = list(differences(before, after, exact=True))
        print("\n".join(found) or "no difference")
        return 1 if found else 0
    exact = chosen.command == "digests"
    told = {}
    for story in STORIES:
        with tempfile.TemporaryDirectory() as place:
            told[story] = tell(story, Path(place), exact=exact)
        print(story, file=sys.stderr)
    path = chosen.file if exact else EXPECTED
    path.write_text(_as_json(told), encoding="utf-8")
    return 0


def _as_json(told: Mapping[str, Mapping[str, object]]) -> str:
    """One line of text for each command line."""
    stories = [
        f"{json.dumps(story)}: {{\n"
        + ",\n".join(f"{json.dumps(line)}: {_compact(each)}" for line, each in lines.items())
        + "\n}"
        for story, lines in told.items()
    ]
    return "{\n" + ",\n".join(stories) + "\n}\n"


def _compact(outcome: object) -> str:
    return json.dumps(outcome, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


if __name__ == "__main__":
    sys.exit(main())
