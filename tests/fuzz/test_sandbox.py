"""The watcher is watched: every kind of harm is noticed, and the inputs after it still run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs fork and /proc"),
    pytest.mark.slow,
]

# Input 1 does the harm, 0 and 2 are harmless.
HARM = {
    "os.kill(os.getpid(), signal.SIGSEGV)": "crashed: SIGSEGV",
    "os._exit(0)": "ended before it had answered",
    "time.sleep(60)": "hung: no answer after 1 seconds",
    "while True: pass": "hung: no answer after 1 seconds",
    "mmap.mmap(-1, 2 << 30)": "the address space grew by 2048 MiB",
    "bytearray(9 << 30)": "MemoryError",
    "raise KeyError('x')": "KeyError: 'x'",
    "raise AudioReadError('two\\nlines')": None,
    "raise AudioReadError('fine')": None,
    "print('hello', flush=True)": r"printed b'hello\n'",
    "os.write(2, b'hello')": "printed b'hello'",
    "warnings.warn('careful')": "UserWarning: careful",
    "os.system('true')": "os.system",
    "exec('1')": "compile",
    "subprocess.run(['true'])": "subprocess.Popen",
    "socket.socket().connect(('127.0.0.1', 9))": "socket.__new__",
    "import this": "import",
    "pickle.loads(pickle.dumps(Path))": "pickle.find_class",
    "open(path.parent.parent / 'x', 'w')": "open",
    "path.unlink()": "os.remove",
    "path.rename(path.parent.parent / 'output' / 'x')": "os.rename",
    "(path.parent.parent / 'output' / 'x').write_text('allowed')": None,
}

SCRIPT = """
import json, mmap, os, pickle, signal, socket, subprocess, sys, time, warnings
from pathlib import Path
from stemsplit.errors import AudioReadError
from tests.fuzz import sandbox

sandbox.DEADLINE_SECONDS = 1
folder = Path(sys.argv[1])
for index, harm in enumerate(json.loads(sys.argv[2])):
    here = folder / str(index)
    for name in ("input", "output"):
        (here / name).mkdir(parents=True)
    names = {}
    exec(f"def read(path):\\n if path.read_bytes() == b'1':\\n  {harm}", globals(), names)
    make = lambda number: str(number).encode()
    report = sandbox.run(names["read"], make, range(3), suffix=".x", folder=here)
    found = [(finding.number, finding.what) for finding in report.findings]
    print(json.dumps([found, report.num_read, report.num_refused]))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[object]]:
    folder = tmp_path_factory.mktemp("sandbox")
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), json.dumps(list(HARM))],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    lines = [json.loads(line) for line in process.stdout.splitlines()]
    return dict(zip(HARM, lines, strict=True))


@pytest.mark.parametrize("harm", HARM)
def test_harm_is_noticed(answers: dict[str, list[object]], harm: str) -> None:
    findings, num_read, num_refused = answers[harm]
    expected = HARM[harm]
    assert isinstance(findings, list)
    if expected is None:
        assert findings == []
        assert (num_read, num_refused) == ((2, 1) if "Error" in harm else (3, 0))
    else:
        ((number, what),) = findings
        assert number == 1
        assert expected in what
