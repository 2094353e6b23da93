"""What holds for every test."""

from __future__ import annotations

import os

# Tests that run side by side (`pytest -n`) have a core each, and so have processes started by them:
# with more threads than cores they would wait for each other. torch reads it when it is imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

# Commands that run in this process freeze all objects (`stemsplit.cli.process`), among which
# Hypothesis then does not find its own with the garbage collector. It comes first, therefore.
import hypothesis
import pytest

from stemsplit.hub.catalog import load_catalog
from stemsplit.hub.distributions import Distribution

ROOT = Path(__file__).resolve().parents[1]

# How long an example takes says something about the machine, nothing about the code.
hypothesis.settings.register_profile("stemsplit", deadline=None)
hypothesis.settings.load_profile("stemsplit")

_HANDLERS = {
    "SIGINT": signal.default_int_handler,
    "SIGTERM": signal.SIG_DFL,
    "SIGHUP": signal.SIG_DFL,
}


@pytest.fixture(scope="session")
def empty_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an empty package in the place of each that holds weights."""
    folder = tmp_path_factory.mktemp("packages")
    entries = [entry.distribution for entry in load_catalog().values()]
    names = {Distribution.parse(entry).name for entry in entries if entry is not None}
    for name in {*names, "speechmos", "Resemblyzer"}:
        info = folder / f"{name.replace('-', '_')}-0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0\n")
        (info / "RECORD").touch()
    return folder


@pytest.fixture(autouse=True)
def no_weight_packages(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, empty_packages: Path
) -> None:
    """No package with weights is installed or was pulled, here and in processes started here.

    That is so whatever the machine has; `weight_packages` lets those be that are installed. pip
    finds none either.
    """
    pulled = str(empty_packages / "pulled")
    monkeypatch.setenv("HF_ASSETS_CACHE", pulled)
    if constants := sys.modules.get("huggingface_hub.constants"):
        monkeypatch.setattr(constants, "HF_ASSETS_CACHE", pulled)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    if "weight_packages" in request.fixturenames:
        return
    paths = [str(empty_packages), str(ROOT), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    monkeypatch.setattr(sys, "path", [str(empty_packages), *sys.path])


@pytest.fixture
def weight_packages() -> None:
    """Packages with weights are there, if the machine has them."""


@pytest.fixture
def usual_signals() -> Iterator[None]:
    """Signals do here, and in processes started here, what they do in a terminal.

    Under nohup, in a script's background, or beneath a supervisor some are ignored or blocked, and
    children inherit that.
    """
    handlers = {
        getattr(signal, name): handler
        for name, handler in _HANDLERS.items()
        if hasattr(signal, name)
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    blocked = (
        signal.pthread_sigmask(signal.SIG_UNBLOCK, handlers)
        if hasattr(signal, "pthread_sigmask")
        else None
    )
    try:
        yield
    finally:
        if blocked is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number, handler in before.items():
            signal.signal(number, handler)
