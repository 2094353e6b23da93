"""Every command in the README is run, and CI runs the README's own test command."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from stemsplit.evaluate.demo_song import make_demo_song
from stemsplit.hub.catalog import load_catalog
from tests.audio.songs import tone, write_pyav, write_sndfile
from tests.hub.loopback import Hub, serve
from tests.hub.published_layouts import as_yaml, small_settings, tensors_of
from tests.models.random_models import htdemucs, write_bag

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [line.partition("  #")[0].strip() for line in lines if line.startswith("stemsplit ")]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """The official repositories' layout, with small random networks."""
    with serve(tmp_path_factory.mktemp("hf_home")) as running:
        for repo, name, count in (("HTDemucs", "htdemucs", 1), ("HTDemucs-ft", "htdemucs_ft", 4)):
            folder = tmp_path_factory.mktemp(repo)
            identity = [[float(row == column) for column in range(4)] for row in range(4)]
            models = [htdemucs(seed) for seed in range(count)]
            write_bag(folder, name, models, identity if count == 4 else None)
            running.add_folder(f"adefossez/{repo}", folder)
        running.add_folder(*published_karaoke(tmp_path_factory.mktemp("karaoke")))
        yield running


def published_karaoke(folder: Path) -> tuple[str, Path]:
    """The repository of the model that is called karaoke for short, with a small random network."""
    entry = load_catalog()["melband_karaoke"]
    (network,) = entry.networks
    assert entry.repo_id is not None
    assert network.config is not None
    settings = small_settings(entry.family, entry.stems, single=True)
    torch.save(tensors_of(entry.family, settings), folder / network.weights[0].file)
    (folder / network.config.file).write_bytes(as_yaml(settings))
    return entry.repo_id, folder


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with a song and an album in it."""
    write_pyav(tmp_path / "song.mp3", tone(30_000), codec="libmp3lame")
    (tmp_path / "album" / "cd 1").mkdir(parents=True)
    write_sndfile(tmp_path / "album" / "cd 1" / "first.flac", tone(20_000))
    stems = make_demo_song(duration_seconds=2)
    for name, samples in {**stems, "mixture": sum(stems.values())}.items():
        file = tmp_path / "songs" / "a song" / f"{name}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_sndfile(file, samples)
    return tmp_path


def run(command: list[str], hub: Hub, folder: Path) -> str:
    env = {**hub.env(), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_there_is_something_to_run() -> None:
    assert len(commands()) > 10
    assert len(README.splitlines()) < 150


@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_readme_works(command: str, hub: Hub, desk: Path) -> None:
    if command.split()[1:3] in (["models", "verify"], ["models", "path"]):
        run([sys.executable, "-m", "stemsplit", "models", "pull", "htdemucs"], hub, desk)
    if command.split()[1] == "report":
        run([sys.executable, "-m", "stemsplit", "song.mp3", "-m", "spectral"], hub, desk)
    program, *arguments = shlex.split(command)
    assert program == "stemsplit"
    assert run([sys.executable, "-m", "stemsplit", *arguments], hub, desk)


def test_the_first_command_writes_what_the_readme_says(hub: Hub, desk: Path) -> None:
    (install,) = [
        line
        for block in blocks("sh")
        for line in block.splitlines()
        if " song." in line and line.startswith("python3")
    ]
    *_, last = install.split(" && ")
    assert last == ".venv/bin/stemsplit song.mp3"
    run([sys.executable, "-m", "stemsplit", "song.mp3"], hub, desk)
    written = {path.name for path in (desk / "separated" / "htdemucs" / "song").iterdir()}
    assert {f"{stem}.wav" for stem in ("drums", "bass", "other", "vocals")} < written


def test_the_python_example_works(hub: Hub, desk: Path) -> None:
    (example,) = blocks("python")
    output = run([sys.executable, "-c", example], hub, desk)
    assert "(2, 30000) 44100" in output


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_ci_runs_the_readmes_test_command() -> None:
    (line,) = [
        line for block in blocks("sh") for line in block.splitlines() if line.endswith("pytest")
    ]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (extract,) = re.findall(r"\$\((sed .*? README\.md)\)", script)
    found = subprocess.run(["bash", "-c", extract], capture_output=True, text=True, cwd=ROOT)
    assert found.stdout.splitlines() == [line]
