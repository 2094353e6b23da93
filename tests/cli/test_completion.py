"""What a shell offers after Tab, and what that costs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

RUN = (
    "import sys\n"
    "from stemsplit.cli.app import app\n"
    "try:\n"
    "    app(prog_name='stemsplit')\n"
    "finally:\n"
    "    print('torch' in sys.modules, 'huggingface_hub' in sys.modules, file=sys.stderr)\n"
)


def complete(line: str, folder: Path) -> list[str]:
    """What bash is offered for the last word of the line, which may be empty.

    For bash, = is a word of its own.
    """
    words = [
        word
        for piece in line.split(" ")
        for word in (list(filter(None, re.split("(=)", piece))) or [""])
    ]
    result = subprocess.run(
        [sys.executable, "-c", RUN],
        capture_output=True,
        text=True,
        cwd=folder,
        env={
            **os.environ,
            "COMP_WORDS": "\n".join(words),
            "COMP_CWORD": str(len(words) - 1),
            "_STEMSPLIT_COMPLETE": "complete_bash",
        },
        check=True,
    )
    assert result.stderr == "False False\n"
    return result.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("stemsplit s", ["separate"]),
        ("stemsplit --qual", ["--quality"]),
        ("stemsplit song.mp3 --two-s", ["--two-stems"]),
        ("stemsplit song.mp3 -m htdemucs_", ["htdemucs_ft", "htdemucs_6s"]),
        ("stemsplit song.mp3 -m vocals=htdemucs_6", ["htdemucs_6s"]),
        ("stemsplit song.mp3 -m vocals=htdemucs_ft,*=htdemucs_6", ["htdemucs_6s"]),
        ("stemsplit separate song.mp3 --model=vocals=htdemucs_6", ["htdemucs_6s"]),
        ("stemsplit song.mp3 --format=fl", ["flac"]),
        ("stemsplit song.mp3 --quality=", ["fast", "balanced", "best"]),
        ("stemsplit song.mp3 --no-such=", []),
        ("stemsplit song.mp3 -m ./my-mod", []),  # bash offers files then
        ("stemsplit -m htdemucs_6s song.mp3 --stems vocals,p", ["vocals,piano"]),
        ("stemsplit song.mp3 --two-stems v", ["vocals"]),
        ("stemsplit song.mp3 --format m", ["mp3", "m4a"]),
        ("stemsplit song.mp3 --device c", ["cpu", "cuda"]),
        ("stemsplit so", []),
        ("stemsplit models p", ["pull", "path"]),
        ("stemsplit models show htdemucs_f", ["htdemucs_ft"]),
        ("stemsplit bench -m spec", ["spectral_backing", "spectral"]),
        ("stemsplit evaluate songs -m spec", ["spectral_backing", "spectral"]),
        ("stemsplit demo --model spec", ["spectral_backing", "spectral"]),
    ],
)
def test_words_are_completed_without_torch(line: str, offered: list[str], tmp_path: Path) -> None:
    assert complete(line, tmp_path) == offered


def test_half_of_an_expression_offers_what_is_known(tmp_path: Path) -> None:
    assert complete("stemsplit -m htdemucs_6s+ x.wav --stems gui", tmp_path) == []
    assert "melband_kim" in complete("stemsplit x.wav -m vocals=", tmp_path)


@pytest.mark.skipif(os.name == "nt" or shutil.which("bash") is None, reason="there is no bash")
def test_completion_is_installed_for_the_shell_that_asks(tmp_path: Path) -> None:
    command = f'"{sys.executable}" -c "{RUN}"'
    script = f"{command} --install-completion; {command} --show-completion; true"
    result = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        check=True,
    )
    assert "bash completion installed" in result.stdout
    assert (tmp_path / ".bash_completions" / "stemsplit.sh").is_file()
    assert "complete -o default -F _stemsplit_completion stemsplit" in result.stdout
