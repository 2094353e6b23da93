"""Where and how a command runs, and what it says meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from stemsplit.cli.completion import complete_devices
from stemsplit.cli.options.declare import MESSAGES, RUN, SPEED, option
from stemsplit.device.names import Precision, split_device_names
from stemsplit.errors import UsageError

MAX_THREADS = 1024
"""Each has a stack of its own: a million of them are a machine without memory."""


def _devices(_flag: str, text: str) -> str:
    split_device_names(text.lower())
    return text.lower()


def _batch_size(flag: str, text: str) -> int | None:
    if text.lower() == "auto":
        return None
    if not (text.isdecimal() and int(text)):
        raise UsageError(f"{flag} must be auto or a number, got {text!r}.")
    return int(text)


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceOptions:
    """Where networks are called."""

    device: str = option(
        "auto",
        "-d",
        "--device",
        panel=SPEED,
        reads=_devices,
        metavar="auto|cpu|cuda[:N]|mps",
        help="Where to compute; with cuda:0,cuda:1 the songs are shared out.",
        autocompletion=complete_devices,
    )
    precision: Precision = option("auto", panel=SPEED, help="Precision of the network.")
    batch_size: int | None = option(
        None,
        panel=SPEED,
        reads=_batch_size,
        metavar="auto|N",
        help="Chunks that the network sees at once.",
        show_default="auto",
    )
    threads: int | None = option(
        None,
        panel=SPEED,
        least=1,
        most=MAX_THREADS,
        metavar="N",
        help="CPU threads.",
        show_default="one for each core",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageOptions:
    """What is said, and how."""

    json: bool = option(False, panel=MESSAGES, help="Print JSON Lines on stdout.")
    quiet: bool = option(False, "-q", "--quiet", panel=MESSAGES, help="Say only what went wrong.")
    verbose: bool = option(False, "-v", "--verbose", panel=MESSAGES, help="Say more, and why.")
    debug: bool = option(False, panel=MESSAGES, help="Show Python tracebacks.")


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkOptions:
    """Whether the network may be used."""

    offline: bool = option(False, panel=RUN, help="Never touch the network.")
