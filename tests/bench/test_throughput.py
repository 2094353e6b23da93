"""The benchmark that waits for a GPU goes through all of its steps on a CPU."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("throughput.py")


@pytest.mark.slow
def test_every_row_of_the_table_is_measured() -> None:
    arguments = ["--device=cpu", "--family=small", "--songs=3", "--seconds=1", "--runs=1"]
    result = subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # teams wait for each other on a busy machine
    )
    assert result.returncode == 0, result.stderr
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in result.stdout.splitlines()
        if line.startswith("| ")
    ]
    names = [row[0] for row in rows[1:]]
    assert names == [
        *("stemsplit, auto", "demucs 4.1.0", "stemsplit, fp32", "demucs 4.1.0", "auto from fp32"),
        *("3 songs to flac, whole process", "3 songs to wav, whole process"),
    ]
    notes = [row[3] for row in rows[1:]]
    # The same networks: in fp32 they agree with demucs' to rounding.
    assert float(re.findall(r"(\d+) dB from it", notes[2])[0]) > 90
    assert all("MiB" in note or "dB" in note for note in notes)
