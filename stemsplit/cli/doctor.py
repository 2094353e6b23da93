"""`stemsplit doctor`: what this machine can do, and the one line that mends what it cannot."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import typer

from stemsplit.cli import options as opt
from stemsplit.cli.printer.command_events import Examined
from stemsplit.cli.printer.sink import printing
from stemsplit.quoting import reason

if TYPE_CHECKING:
    from stemsplit.cli.doctor_checks.finding import Finding

_log = logging.getLogger(__name__)


def doctor(
    offline: opt.Offline = False, as_json: opt.Json = False, debug: opt.Debug = False
) -> None:
    """Look at this machine: versions, libraries, devices, codecs, cache, Hub and default model.

    Each line is ok, a note, or a problem that can stop a separation; below the last two is what
    mends them. With --json: one object per line, with schema (1), topic, name, value, status and
    fix (or null). Exit code 1 if there is a problem.
    """
    del debug  # the error boundary looks for itself
    statuses = []
    with printing(as_json=as_json) as show:
        for finding in examine(offline=offline):
            show(finding)
            statuses.append(finding.status)
        num_problems = statuses.count("problem")
        show(Examined(num_problems, statuses.count("note")))
    if num_problems:
        raise typer.Exit(1)


def examine(*, offline: bool) -> Iterator[Finding]:
    """All findings, topic after topic. One that cannot be looked into does not stop the others."""
    from stemsplit.cli.doctor_checks.finding import Finding

    for topic, check in _TOPICS.items():
        try:
            yield from check(offline)
        except Exception as error:  # a broken machine raises whatever it likes, imports too
            _log.debug("%s failed", topic, exc_info=True)
            yield Finding(
                topic=topic,
                name="all else",
                value=f"could not be checked: {type(error).__name__}: {reason(error)}",
                status="problem",
                fix="Mend what is broken above; if nothing is, this is a defect of stemsplit.",
            )


def _versions(offline: bool) -> Iterator[Finding]:
    del offline
    from stemsplit.cli.doctor_checks.versions import check_versions

    return check_versions()


def _devices(offline: bool) -> Iterator[Finding]:
    del offline
    from stemsplit.cli.doctor_checks.devices import check_devices

    return check_devices()


def _codecs(offline: bool) -> Iterator[Finding]:
    del offline
    from stemsplit.cli.doctor_checks.codecs import check_codecs

    return check_codecs()


def _models(offline: bool) -> Iterator[Finding]:
    from stemsplit.cli.doctor_checks.model_access import check_models

    return check_models(offline=offline)


def _libraries(offline: bool) -> Iterator[Finding]:
    del offline  # what is fetched is fetched from this machine
    from stemsplit.cli.doctor_checks.libraries import check_libraries

    return check_libraries()


_TOPICS: Mapping[str, Callable[[bool], Iterator[Finding]]] = {
    "versions": _versions,
    "libraries": _libraries,
    "devices": _devices,
    "codecs": _codecs,
    "models": _models,
}
