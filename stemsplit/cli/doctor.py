"""`stemsplit doctor`: what this machine can do, and the one line that mends what it cannot."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import typer

from stemsplit.cli.doctor_checks.finding import Finding
from stemsplit.cli.options.declare import takes
from stemsplit.cli.options.running import MessageOptions, NetworkOptions
from stemsplit.cli.printer.command_events import Examined
from stemsplit.cli.printer.sink import printing
from stemsplit.quoting import reason

_log = logging.getLogger(__name__)


@takes(only={"offline", "json", "debug"})  # the error boundary looks for --debug itself
def doctor(network: NetworkOptions, messages: MessageOptions) -> None:
    """Look at this machine: versions, libraries, devices, codecs, cache, Hub and default model.

    Each line is ok, a note, or a problem that can stop a separation; below the last two is what
    mends them. With --json: one object per line, with schema (1), topic, name, value, status and
    fix (or null). Exit code 1 if there is a problem.
    """
    statuses = []
    with printing(as_json=messages.json) as show:
        for finding in examine(offline=network.offline):
            show(finding)
            statuses.append(finding.status)
        num_problems = statuses.count("problem")
        show(Examined(num_problems, statuses.count("note")))
    if num_problems:
        raise typer.Exit(1)


def examine(*, offline: bool) -> Iterator[Finding]:
    """All findings, topic after topic. One that cannot be looked into does not stop the others."""
    for topic in _TOPICS:
        try:
            yield from _check(topic, offline=offline)
        except Exception as error:  # a broken machine raises whatever it likes, imports too
            _log.debug("%s failed", topic, exc_info=True)
            yield Finding(
                topic=topic,
                name="all else",
                value=f"could not be checked: {type(error).__name__}: {reason(error)}",
                status="problem",
                fix="Mend what is broken above; if nothing is, this is a defect of stemsplit.",
            )


_TOPICS = ("versions", "libraries", "devices", "codecs", "models")


def _check(topic: str, *, offline: bool) -> Iterator[Finding]:
    """The findings of a topic, whose imports are a part of what may be broken."""
    match topic:
        case "versions":
            from stemsplit.cli.doctor_checks.versions import check_versions

            return check_versions()
        case "libraries":  # what is fetched there is fetched from this machine
            from stemsplit.cli.doctor_checks.libraries import check_libraries

            return check_libraries()
        case "devices":
            from stemsplit.cli.doctor_checks.devices import check_devices

            return check_devices()
        case "codecs":
            from stemsplit.cli.doctor_checks.codecs import check_codecs

            return check_codecs()
        case _:
            from stemsplit.cli.doctor_checks.model_access import check_models

            return check_models(offline=offline)
