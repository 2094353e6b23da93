"""What a fresh process imports and how much memory it takes, seen from outside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run_python(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    return result.stdout.strip()


@pytest.mark.parametrize(
    "action",
    [
        "import stemsplit",
        "import stemsplit.cli.app",
        "from typer.testing import CliRunner; from stemsplit.cli.app import app; "
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0; "
        "assert CliRunner().invoke(app, ['separate', '--help']).exit_code == 0; "
        "assert CliRunner().invoke(app, ['models', '--help']).exit_code == 0",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(action: str) -> None:
    heavy = ("torch", "torchaudio", "huggingface_hub", "av", "soundfile", "safetensors", "numpy")
    loaded = run_python(
        f"{action}\nimport sys; print([name for name in {heavy!r} if name in sys.modules])"
    )
    assert loaded == "[]"


@pytest.mark.slow
def test_what_only_some_songs_need_is_not_imported_for_all() -> None:
    loaded = run_python(
        "import stemsplit.batch.local, stemsplit.engine.separator, sys; "
        "print([name for name in ('av', 'torchaudio') if name in sys.modules])"
    )
    assert loaded == "[]"


def test_imports_are_not_searched_for_garbage() -> None:
    outcome = run_python(
        "import gc\n"
        "from stemsplit.cli.process import importing\n"
        "try:\n"
        "    with importing():\n"
        "        assert not gc.isenabled()\n"
        "        import decimal\n"
        "        raise ImportError\n"
        "except ImportError:\n"
        "    print(gc.isenabled(), gc.get_freeze_count() > 1000)"
    )
    assert outcome == "True True"


def test_an_unknown_name_is_an_attribute_error() -> None:
    import stemsplit

    with pytest.raises(AttributeError, match="no attribute 'Separater'"):
        _ = stemsplit.Separater


MEASURE = """
import resource, sys, torch
sys.path.insert(0, {root!r})
from stemsplit.models.spec import InputScaling
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import SeparationOptions
from stemsplit.device.runtime import choose_runtime
from stemsplit.dsp.chunking import ChunkPolicy
from tests.engine.toy_models import GainModel, model_of
from tests.engine.tracks import Track

def play(seconds={seconds}, rate=48000):
    for _ in range(seconds):
        yield torch.full((2, rate), 0.1)

policy = ChunkPolicy(chunk_samples=343_980, overlap_samples=85_995)
track = Track(
    Mixture("tape", 48000, ("FL", "FR"), play),
    model_of(GainModel(policy=policy, scaling=InputScaling()), GainModel(policy=policy)),
    choose_runtime(device="cpu"),
    SeparationOptions(shifts=2, two_stems="vocals", residual=True),
)
total = sum(block.stems.shape[-1] for block in track.blocks())
assert total == {seconds} * 48000
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads ru_maxrss in KiB")
def test_memory_does_not_grow_with_the_song() -> None:
    short, long = (
        int(run_python(MEASURE.format(root=str(ROOT), seconds=seconds))) for seconds in (60, 1200)
    )
    # 19 minutes of stereo are 417 MiB in float32, and so is each of the three outputs. What is seen
    # is the allocator's own unrest: 30 to 80 MiB, the same for 5 minutes and for 90.
    assert long - short < 100 * 1024, f"{short} KiB for 1 minute, {long} KiB for 20"


def test_the_library_changes_nothing_in_its_host() -> None:
    """What does is in one module, which belongs to the program."""
    import ast

    import stemsplit

    package = Path(stemsplit.__file__).parent
    changes = {
        *("set_num_threads", "set_num_interop_threads", "mallopt", "_exit", "freeze"),
        *(
            "PyThreadState_SetAsyncExc",
            "set_float32_matmul_precision",
            "use_deterministic_algorithms",
        ),
    }
    found = {
        (path.relative_to(package).as_posix(), node.attr)
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in changes
    }
    # The queue's own thread has as many as who submits: no other thread is changed by it.
    assert {file for file, _ in found} <= {"cli/process.py", "device/queue.py"}
