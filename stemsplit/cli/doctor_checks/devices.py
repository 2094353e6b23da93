"""What can compute here, and whether the installed torch can make use of it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

from stemsplit.cli.doctor_checks.finding import Finding, Status
from stemsplit.device.hardware import (
    FreeMemory,
    architecture_support,
    cpu_has_bf16,
    cpu_memory,
    cpu_name,
    num_usable_cores,
)
from stemsplit.hub.catalog import DEFAULT_MODEL
from stemsplit.quoting import reason

TOPIC = "devices"

_GIB = 1 << 30
_ENOUGH_BYTES = 3 * _GIB // 2
"""For the default model, the whole process on a CPU."""

_NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")


def check_devices() -> Iterator[Finding]:
    """The CPU and every GPU that torch knows about."""
    yield from check_cpu()
    yield from check_cuda()
    yield from check_mps()


def check_cpu() -> Iterator[Finding]:
    """Name, cores, threads, instructions and memory."""
    num_cores, num_threads = num_usable_cores(), torch.get_num_threads()
    cores = f"{num_cores} logical cores"
    total = os.cpu_count()
    if total is not None and total > num_cores:
        cores = f"{num_cores} of {total} logical cores, as this process is allowed"
    yield Finding(topic=TOPIC, name="CPU", value=f"{cpu_name()}, {cores}")
    yield check_threads(num_threads, num_cores)
    yield check_instructions(torch.backends.cpu.get_cpu_capability())
    yield Finding(
        topic=TOPIC,
        name="CPU bf16",
        value="in hardware" if cpu_has_bf16() else "not in hardware: --precision auto is fp32",
    )
    memory = cpu_memory()
    if memory is not None:
        yield check_memory("CPU memory", memory, "Close other programs.")


def check_memory(name: str, memory: FreeMemory, fix: str) -> Finding:
    """Whether the default model fits into what is free now."""
    value = f"{memory.total_bytes / _GIB:.0f} GiB, {memory.free_bytes / _GIB:.1f} GiB free"
    if memory.free_bytes >= _ENOUGH_BYTES:
        return Finding(topic=TOPIC, name=name, value=value)
    value += f"; {DEFAULT_MODEL} takes {_ENOUGH_BYTES / _GIB:.1f} GiB"
    return Finding(topic=TOPIC, name=name, value=value, status="note", fix=fix)


def check_threads(num_threads: int, num_cores: int) -> Finding:
    """Whether torch uses the cores that there are; by itself it takes one thread per real core."""
    value = f"{num_threads} by default"
    if num_threads >= max(1, num_cores // 2):
        return Finding(topic=TOPIC, name="CPU threads", value=value)
    reason = "Unset OMP_NUM_THREADS, or use" if "OMP_NUM_THREADS" in os.environ else "Use"
    return Finding(
        topic=TOPIC,
        name="CPU threads",
        value=f"{value}, of {num_cores} logical cores",
        status="note",
        fix=f"{reason} --threads {num_cores // 2}.",
    )


def check_instructions(capability: str) -> Finding:
    """The vector instructions that torch found, such as AVX2 or AVX512."""
    if capability not in ("DEFAULT", "NO AVX"):
        return Finding(topic=TOPIC, name="CPU vectors", value=capability)
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return Finding(topic=TOPIC, name="CPU vectors", value="those of the architecture")
    return Finding(
        topic=TOPIC,
        name="CPU vectors",
        value="neither AVX2 nor AVX-512 is used: slow",
        status="note",
        fix="Unset ATEN_CPU_CAPABILITY, or use another machine or --device cuda.",
    )


def check_cuda() -> Iterator[Finding]:
    """Each CUDA device; without any, why not."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        num_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not num_devices:
        yield missing_cuda(str(caught[0].message) if caught else "")
    for index in range(num_devices):
        finding = check_cuda_device(index)
        yield finding
        if finding.status == "ok":  # it answers
            free_bytes, total_bytes = torch.cuda.mem_get_info(index)
            yield check_memory(
                f"{finding.name} memory",
                FreeMemory(total_bytes, free_bytes),
                "End what uses it, which `nvidia-smi` shows, or use another --device.",
            )


def missing_cuda(warning: str) -> Finding:
    """Why there is no CUDA device; `warning` is what torch said about it."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    is_driver_here = _NVIDIA_DRIVER.exists() or shutil.which("nvidia-smi") is not None
    if not is_driver_here:
        return Finding(topic=TOPIC, name="CUDA", value="no device")
    if torch.version.cuda is None:
        value = "this machine has a GPU's driver, but this torch is built without CUDA"
        fix = "Install torch and torchaudio again, from the builds for CUDA."
    elif hidden is not None and not hidden.strip("-1, "):
        value = f"hidden by CUDA_VISIBLE_DEVICES={hidden}"
        fix = "Unset CUDA_VISIBLE_DEVICES."
    else:
        reason = warning.strip().splitlines()[0] if warning.strip() else "no device answers"
        value = f"a driver is here, but torch for CUDA {torch.version.cuda} reports: {reason}"
        fix = f"Update the driver to one for CUDA {torch.version.cuda}, and check `nvidia-smi`."
    return Finding(topic=TOPIC, name="CUDA", value=value, status="note", fix=fix)


def check_cuda_device(index: int) -> Finding:
    """Name, abilities, and whether a computation really comes back right."""
    capability = torch.cuda.get_device_capability(index)
    is_bf16 = capability >= (8, 0)  # torch's own answer counts emulation in
    facts = [
        torch.cuda.get_device_name(index),
        f"compute capability {capability[0]}.{capability[1]}",
        "bf16" if is_bf16 else "no bf16",
    ]
    name = f"cuda:{index}"
    # `--device auto` means the first, so that only this one stops people.
    broken: Status = "problem" if index == 0 else "note"
    architectures = torch.cuda.get_arch_list()
    support = architecture_support(capability, architectures)
    if torch.version.hip is None and support == "none":
        facts.append(f"which this torch is not built for ({' '.join(architectures)})")
        return Finding(
            topic=TOPIC,
            name=name,
            value=", ".join(facts),
            status=broken,
            fix="Use --device cpu, or install torch and torchaudio built for a CUDA version "
            f"that has sm_{capability[0]}{capability[1]}.",
        )
    error = computation_error(torch.device("cuda", index))
    if error is not None:
        facts.append(f"but it does not compute: {error}")
        fix = "Update the driver, restart the machine, or use --device cpu."
        return Finding(topic=TOPIC, name=name, value=", ".join(facts), status=broken, fix=fix)
    if support == "compiled":
        facts.append("kernels are compiled on first use")
    return Finding(topic=TOPIC, name=name, value=", ".join(facts))


def check_mps() -> Iterator[Finding]:
    """Apple's GPU, on Apple's systems."""
    if sys.platform != "darwin":
        return
    if not torch.backends.mps.is_available():
        yield Finding(topic=TOPIC, name="MPS", value="not available on this system")
        return
    error = computation_error(torch.device("mps"))
    if error is None:
        yield Finding(topic=TOPIC, name="mps", value=cpu_name())
        return
    yield Finding(
        topic=TOPIC,
        name="mps",
        value=f"{cpu_name()}, but it does not compute: {error}",
        status="problem",
        fix="Use --device cpu.",
    )


def computation_error(device: torch.device) -> str | None:
    """What goes wrong in a small product on the device, None if nothing does."""
    try:
        total = (torch.ones(64, 64, device=device) @ torch.ones(64, 64, device=device)).sum().item()
    except RuntimeError as error:
        return reason(error)
    return None if total == 64.0**3 else f"a sum of {64**3} came out as {total:g}"
