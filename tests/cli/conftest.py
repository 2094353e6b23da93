"""The command line in this process, on songs and checkpoints that are made here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stemsplit.cli.app import app
from tests.audio.songs import tone, write_sndfile
from tests.hub.loopback import Hub, running_hub
from tests.models.random_models import htdemucs, write_bag

Stemsplit = Callable[..., Result]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and a Hub cache with nothing in it that is never online."""
    folder = tmp_path / "work place é"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def stemsplit(workplace: Path) -> Stemsplit:  # noqa: ARG001 - commands run inside it
    """Runs a command line and returns its result: exit_code, stdout, stderr."""

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def song(workplace: Path) -> Path:
    """Half a second of stereo."""
    return write_sndfile(workplace / "song.wav", tone(22_050), subtype="PCM_24")


@pytest.fixture(scope="session")
def bag_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The official layout of htdemucs, with a small random network."""
    folder = tmp_path_factory.mktemp("HTDemucs")
    write_bag(folder, "htdemucs", [htdemucs()])
    return folder


@pytest.fixture
def hub(
    tmp_path: Path, workplace: Path, bag_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Hub]:
    """A Hub on loopback with the default model on it; this process is online with it."""
    del workplace  # it goes offline, and this comes after
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with running_hub(tmp_path / "hf_home", monkeypatch) as running:
        running.add_folder("adefossez/HTDemucs", bag_folder)
        yield running
