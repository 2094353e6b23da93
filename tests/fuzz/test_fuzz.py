"""The bounded part of the fuzzing, for CI; `python -m tests.fuzz` runs as much as one likes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.targets import TARGETS

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs fork and /proc"),
    pytest.mark.slow,
]

ROOT = Path(__file__).parents[2]
COUNT = os.environ.get("STEMSPLIT_FUZZ_COUNT", "400")


@pytest.fixture(scope="module")
def reports() -> dict[str, dict[str, Any]]:
    """What became of the inputs of each kind, from a process of its own: one that may fork."""
    process = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--count", COUNT],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.returncode in (0, 1)
    lines = [json.loads(line) for line in process.stdout.splitlines()]
    return {line["kind"]: line for line in lines}


@pytest.mark.parametrize("kind", TARGETS)
def test_no_input_does_harm(reports: dict[str, dict[str, Any]], kind: str) -> None:
    report = reports[kind]
    again = f"python -m tests.fuzz {kind} --count 1 --first "
    found = [f"{again}{f['number']}: {f['what']} ({f['input_file']})" for f in report["findings"]]
    assert not found, "\n".join(found)
    # The damage is neither so small that nothing notices, nor so large that nothing is reached.
    assert report["num_read"] > 0
    assert report["num_refused"] > 0


def test_inputs_depend_on_nothing_but_their_number(tmp_path: Path) -> None:
    for kind in ("wav", "th-zip", "safetensors", "template"):
        target = TARGETS[kind]
        seeds = target.seeds(tmp_path)
        made = [target.make(seeds, f"{kind} 0 {number}") for number in range(20)]
        assert made == [target.make(seeds, f"{kind} 0 {number}") for number in range(20)]
        assert len(set(made)) > 15
