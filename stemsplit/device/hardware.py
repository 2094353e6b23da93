"""What this machine computes with: its devices' names and abilities, as torch reports them."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import torch

_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")  # of cgroup v2, as the container sees it


def device_name(device: torch.device) -> str:
    """The product's name, such as "AMD EPYC" or "NVIDIA H200"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return cpu_name()  # MPS is a part of the same chip


class DeviceMemory:
    """The memory of a CUDA device, as `device.batches` asks about it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    @property
    def free_bytes(self) -> int:
        """What no program uses, and what this one has set aside without using it."""
        free, _ = torch.cuda.mem_get_info(self._device)
        reserved = torch.cuda.memory_reserved(self._device)
        return free + reserved - torch.cuda.memory_allocated(self._device)

    @property
    def total_bytes(self) -> int:
        return torch.cuda.mem_get_info(self._device)[1]

    def peak_bytes_of(self, call: Callable[[], object]) -> int:
        """The most that `call` needs at once, beside what is there already."""
        before = torch.cuda.memory_allocated(self._device)
        torch.cuda.reset_peak_memory_stats(self._device)
        result = call()
        torch.cuda.synchronize(self._device)
        del result
        return torch.cuda.max_memory_allocated(self._device) - before


def cpu_name() -> str:
    """The CPU's name as its maker has it, or the architecture where the system does not tell."""
    if sys.platform == "darwin":
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        name = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    elif sys.platform == "linux":
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        match = re.search(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
        name = match[1].strip() if match else ""
    else:
        name = platform.processor()
    return name or platform.machine()


def num_usable_cores() -> int:
    """Logical cores that this process may run on, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class FreeMemory(NamedTuple):
    """Bytes of memory: all that this process may have, and what of it nobody uses now."""

    total_bytes: int
    free_bytes: int


def cpu_memory() -> FreeMemory | None:
    """The machine's memory, or the container's where that is less; None where no one tells."""
    if sys.platform != "linux":
        return None
    info = Path("/proc/meminfo").read_text(encoding="ascii")
    fields = {name: int(kib) * 1024 for name, kib in re.findall(r"^(\w+):\s+(\d+) kB$", info, re.M)}
    total_bytes = fields["MemTotal"]
    free_bytes = fields.get("MemAvailable", fields["MemFree"])
    limit = _CONTAINER_LIMIT.read_text().strip() if _CONTAINER_LIMIT.exists() else "max"
    if limit.isdecimal() and int(limit) < total_bytes:
        # What is in use there counts files that would make room, so the limit is all that is known.
        return FreeMemory(int(limit), min(int(limit), free_bytes))
    return FreeMemory(total_bytes, free_bytes)


def memory_bytes(device: torch.device) -> int | None:
    """All memory that the device has, in use or not; None where the system does not tell."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    memory = cpu_memory()  # MPS shares it
    return None if memory is None else memory.total_bytes


def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bf16 in hardware, and not by a detour through fp32."""
    if platform.machine().lower() in ("x86_64", "amd64"):
        # torch has no public names for these two.
        names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, name, lambda: False)() for name in names)
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def architecture_support(
    capability: tuple[int, int], architectures: Sequence[str]
) -> Literal["native", "compiled", "none"]:
    """How a torch built for CUDA `architectures` (sm_86, compute_90, ...) runs on a device.

    Machine code (sm) runs on devices of the same major version that are not older; PTX (compute) is
    compiled on first use for any device that is not older. With an "a" it is for exactly this one,
    with an "f" for its family (CUDA C++ Programming Guide, sections on binary and PTX
    compatibility).
    """
    how: Literal["native", "compiled", "none"] = "none"
    for architecture in architectures:
        match = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", architecture)
        if match is None:
            continue
        kind, built, suffix = match[1], (int(match[2]), int(match[3])), match[4]
        fits = built == capability if suffix == "a" else built <= capability
        same_major = built[0] == capability[0]
        if fits and same_major and kind == "sm":
            return "native"
        if fits and kind == "compute" and (same_major or not suffix):
            how = "compiled"
    return how
