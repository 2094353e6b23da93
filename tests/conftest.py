"""What holds for every test."""

from __future__ import annotations

import signal
from collections.abc import Iterator

# Commands that run in this process freeze all objects (`stemsplit.cli.process`), among which
# Hypothesis then does not find its own with the garbage collector. It comes first, therefore.
import hypothesis
import pytest

# How long an example takes says something about the machine, nothing about the code.
hypothesis.settings.register_profile("stemsplit", deadline=None)
hypothesis.settings.load_profile("stemsplit")

_HANDLERS = {
    "SIGINT": signal.default_int_handler,
    "SIGTERM": signal.SIG_DFL,
    "SIGHUP": signal.SIG_DFL,
}


@pytest.fixture(autouse=True)
def no_weight_packages(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No package with weights is installed, whatever the machine has: see `weight_packages`."""
    if "weight_packages" not in request.fixturenames:
        monkeypatch.setattr("stemsplit.hub.distributions.installed_file", lambda *_: None)


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
