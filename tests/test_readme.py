"""Every command in the README is run, and CI runs the README's own test command."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from stemsplit.evaluate.demo_song import make_demo_song
from stemsplit.hub.catalog import load_catalog
from tests.audio.songs import tone, write_pyav, write_sndfile
from tests.hub.loopback import Hub, serve
from tests.hub.published_layouts import as_yaml, publish, small_settings, tensors_of
from tests.models.random_models import htdemucs, write_bag
from tests.models.takes import SAMPLE_RATE, TAKES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def line_that_tests() -> str:
    """The line that installs the tests' needs and runs them."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    (command,) = (line for line in lines if line.endswith(" -m pytest -n 2"))
    return command


def script() -> str:
    """All of the README's examples in their order, as one shell script; of tests only the mention.

    Each command is announced with a line `+ command` on stdout.
    """
    lines = ["set -eu"]
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL):
        if language == "python":
            lines += ["echo '+ python'", "python3 - <<'END'", block, "END"]
        elif language == "sh":
            for line in block.splitlines():
                if line != line_that_tests():
                    lines += [f"echo '+ '{shlex.quote(line)}", line]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, karaoke: Path) -> Iterator[Hub]:
    """The official repositories' layout, with small random networks."""
    with serve(tmp_path_factory.mktemp("hf_home")) as running:
        for repo, name, count in (("HTDemucs", "htdemucs", 1), ("HTDemucs-ft", "htdemucs_ft", 4)):
            folder = tmp_path_factory.mktemp(repo)
            identity = [[float(row == column) for column in range(4)] for row in range(4)]
            models = [htdemucs(seed) for seed in range(count)]
            write_bag(folder, name, models, identity if count == 4 else None)
            running.add_folder(f"adefossez/{repo}", folder)
        running.add_folder(load_catalog()["melband_karaoke"].repo_id or "", karaoke)
        publish(load_catalog()["speakers2"], running, tmp_path_factory.mktemp("speakers"))
        yield running


@pytest.fixture(scope="module")
def karaoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the model that is called karaoke for short, with a small random network."""
    folder = tmp_path_factory.mktemp("karaoke")
    entry = load_catalog()["melband_karaoke"]
    (network,) = entry.networks
    assert network.config is not None
    settings = small_settings(entry.family, entry.stems, single=True)
    torch.save(tensors_of(entry.family, settings), folder / network.weights[0].file)
    (folder / network.config.file).write_bytes(as_yaml(settings))
    return folder


def write_copy(folder: Path, files: Path) -> None:
    """Copies what is installed to `folder`; its catalogue expects the karaoke model's `files`."""
    for name in ("stemsplit", "pyproject.toml", "README.md", "LICENSE"):
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, folder / name)
    (network,) = load_catalog()["melband_karaoke"].networks
    catalogue = folder / "stemsplit" / "hub" / "catalog.toml"
    text = catalogue.read_text(encoding="utf-8")
    for file in (*network.weights, network.config):
        assert file is not None
        if file.sha256:
            digest = hashlib.sha256((files / file.file).read_bytes()).hexdigest()
            text = text.replace(file.sha256, digest)
    catalogue.write_text(text, encoding="utf-8")


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with a song, an album and recordings of voices in it."""
    for name in ("take", "talk"):
        voice = TAKES["voice"](SAMPLE_RATE).numpy()
        write_sndfile(tmp_path / f"{name}.wav", voice, sample_rate=SAMPLE_RATE)
    write_pyav(tmp_path / "song.mp3", tone(30_000), codec="libmp3lame")
    (tmp_path / "album" / "cd 1").mkdir(parents=True)
    write_sndfile(tmp_path / "album" / "cd 1" / "first.flac", tone(20_000))
    stems = make_demo_song(duration_seconds=2)
    for name, samples in {**stems, "mixture": sum(stems.values())}.items():
        file = tmp_path / "songs" / "a song" / f"{name}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_sndfile(file, samples)
    return tmp_path


PYTHON = """#!{shell}
# As `python3` of a fresh machine, but whatever it makes an environment of has the packages that
# are installed here: nothing is downloaded.
{python} "$@"
if [ "$1 $2" = "-m venv" ]; then
    for folder in "$3"/lib/python3.*/site-packages; do
        echo {packages} > "$folder/installed_already.pth"
    done
fi
"""


@pytest.fixture
def bare_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH with the system's tools and a `python3`, and nothing of this environment."""
    folder = tmp_path_factory.mktemp("bin")
    python = folder / "python3"
    python.write_text(
        PYTHON.format(
            shell=shutil.which("sh"),
            python=shlex.quote(sys.executable),
            packages=shlex.quote(sysconfig.get_path("purelib")),
        )
    )
    python.chmod(0o755)
    return f"{folder}{os.pathsep}{os.defpath}"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_all_commands_work_as_they_stand_in_order(
    hub: Hub, karaoke: Path, desk: Path, bare_path: str
) -> None:
    pytest.importorskip("hatchling", reason="builds the package without a download")
    write_copy(desk, karaoke)
    env = {
        **{name: value for name, value in hub.env().items() if name != "PYTHONPATH"},
        "PATH": bare_path,
        "PIP_NO_BUILD_ISOLATION": "0",  # which is how pip spells yes: hatchling is here
        "PIP_NO_INDEX": "1",
        "OMP_NUM_THREADS": "1",
    }
    result = subprocess.run(
        ["sh", "-c", script()], capture_output=True, text=True, cwd=desk, env=env, check=False
    )
    assert result.returncode == 0, f"{result.stdout[-2000:]}\n{result.stderr[-4000:]}"
    assert result.stdout.count("+ stemsplit ") > 20
    # The command is the copy's, not that of the environment in which this test runs.
    assert (desk / ".venv" / "bin" / "stemsplit").exists()
    written = {path.name for path in (desk / "separated" / "htdemucs" / "song").iterdir()}
    assert {f"{stem}.wav" for stem in ("drums", "bass", "other", "vocals")} < written
    assert "(2, 30000) 44100" in result.stdout
    spoken = {path.stem for path in (desk / "separated").glob("*/ta[kl]*/*.wav")}
    assert spoken == {"speech", "noise", "speaker1", "speaker2"}


def test_the_readme_can_be_read_in_one_sitting() -> None:
    assert len(README.splitlines()) < 170


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_ci_runs_the_readmes_test_command() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (extract,) = re.findall(r"\$\((sed .*? README\.md)\)", ci)
    found = subprocess.run(["bash", "-c", extract], capture_output=True, text=True, cwd=ROOT)
    assert found.stdout.splitlines() == [line_that_tests()]
