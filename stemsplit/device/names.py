"""The names of devices and precisions, before torch is asked whether they are there."""

from __future__ import annotations

import re
from typing import Literal

from stemsplit.errors import UsageError

Precision = Literal["auto", "fp32", "bf16", "fp16"]

_NAME = re.compile(r"auto|cpu|mps|cuda(?::\d+)?")


def split_device_names(text: str) -> list[str]:
    """The names in `text`, which has commas between them.

    Raises:
        UsageError: one of them cannot be the name of a device.
    """
    names = [name.strip() for name in text.split(",")]
    for name in names:
        check_device_name(name)
    return names


def check_device_name(name: str) -> None:
    """Raises UsageError for what cannot be the name of one device."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a device.",
            hint="Use auto, cpu, cuda, cuda:N or mps, such as `device='cuda:0'`.",
        )
