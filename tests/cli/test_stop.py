"""Ending early: by a signal, or because nobody reads the output any more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stemsplit.cli.process import Stopped, stoppable
from tests.audio.songs import tone, write_long, write_sndfile
from tests.cli.processes import nothing_left, run_process

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals"),
    pytest.mark.usefixtures("usual_signals"),
]


def wait_for_parts(folder: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 300
    while not list(folder.rglob(".stemsplit-*.part")) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def ignore_and_block_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})


@pytest.mark.slow
def test_these_tests_do_not_depend_on_signals_that_the_caller_ignores() -> None:
    files = ["tests/cli/test_stop.py", "tests/cli/test_errors.py", "tests/cli/test_bench.py"]
    names = "exception_and_back or sigterm or ctrl_c or interrupting"
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", names, *files],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        preexec_fn=ignore_and_block_signals,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert "5 passed" in result.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_turned_into_an_exception_and_back(number: signal.Signals) -> None:
    with pytest.raises(Stopped) as caught, stoppable():
        signal.raise_signal(number)
    assert caught.value.exit_code == 128 + number
    assert signal.getsignal(number) is signal.SIG_DFL


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_sigterm_is_exit_code_143_and_leaves_nothing(workplace: Path) -> None:
    write_long(workplace / "long.wav", 120)
    process = run_process("long.wav", "-m", "spectral")
    wait_for_parts(workplace, process)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 143, stderr
    assert "Interrupted" in stderr
    assert nothing_left()
    assert not Path("separated").exists()


def test_a_reader_that_has_had_enough_stops_no_song(workplace: Path) -> None:
    for name in ("a.wav", "b.wav"):
        write_sndfile(workplace / name, tone(44_100), subtype="PCM_16")
    with run_process("a.wav", "b.wav", "-m", "spectral", "--json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert '"start"' in process.stdout.readline()
        process.stdout.close()
        stderr = process.stderr.read()
        assert process.wait(timeout=300) == 0
    assert stderr.startswith("Note: The JSON is incomplete: whoever read stdout has stopped.")
    assert len(list(Path("separated").rglob("*.wav"))) == 8


SIDE_BY_SIDE = """
import functools

from stemsplit.__main__ import main
from stemsplit.batch import local
from stemsplit.device import runtime

# As on a GPU: on a CPU one song comes after the other.
local.tracks_at_once = lambda *_: 2
runtime.DeviceQueue = functools.partial(runtime.DeviceQueue, threaded=True)
main()
"""


@pytest.mark.parametrize(
    ("number", "exit_code"),
    [
        pytest.param(signal.SIGINT, 130, id="int"),
        pytest.param(signal.SIGTERM, 143, id="term", marks=pytest.mark.slow),
    ],
)
def test_with_two_songs_under_way_both_are_cleaned_up(
    workplace: Path, number: signal.Signals, exit_code: int
) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        write_long(workplace / name, 120)
    process = run_process(
        *("a.wav", "b.wav", "c.wav", "-m", "spectral", "--json"), program=("-c", SIDE_BY_SIDE)
    )
    assert process.stdout is not None
    started = 0
    while started < 2:  # both have their locks
        started += '"start"' in process.stdout.readline()
    wait_for_parts(workplace, process)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == exit_code, stderr
    assert "Interrupted" in stderr
    assert stdout.splitlines()[-1].count('"summary"') == 1
    assert not Path("separated").exists()
