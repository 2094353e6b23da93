"""Where and how the networks run: decided once, before the first track."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch

from stemsplit.engine.batches import BatchLimit
from stemsplit.engine.hardware import cpu_has_bf16
from stemsplit.errors import UsageError
from stemsplit.models.fast import accelerate
from stemsplit.models.spec import Model

Precision = Literal["auto", "fp32", "bf16", "fp16"]

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, kw_only=True, slots=True)
class Runtime:
    """The device, the precision of the network, and how many chunks it sees at once.

    `batch_limit` is what of `batch_size` the device's memory turned out to allow.
    """

    device: torch.device
    precision: Precision
    """As it was asked for: `auto` is decided for each network, by `prepare`."""
    batch_size: int
    batch_limit: BatchLimit

    def prepare(self, model: Model) -> str:
        """Brings a loaded model to the device, in place; the lowest precision that it uses there.

        On a CPU, layers are replaced by faster ones that agree with them, and bf16 (`auto` takes it
        where the CPU multiplies it) is for those layers that bear it. Casting everything to it, as
        on other devices, would cost 20 dB more (39 dB from the exact output against 57).
        """
        if not isinstance(model, torch.nn.Module):
            return "fp32"
        if self.device.type != "cpu":
            model.to(self.device)
            return "fp32" if self.precision == "auto" else self.precision
        wanted = self.precision == "bf16" or (self.precision == "auto" and cpu_has_bf16())
        for dtype in (torch.bfloat16, torch.float32) if wanted else (torch.float32,):
            used = accelerate(model, dtype)
            if used is not None:
                return "bf16" if used == torch.bfloat16 else "fp32"
        return "fp32"

    @contextlib.contextmanager
    def network_context(self) -> Iterator[None]:
        """Inference without autograd, in the chosen precision."""
        dtype = _DTYPES.get(self.precision, torch.float32)
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            if self.device.type != "cpu" and dtype != torch.float32:
                stack.enter_context(torch.autocast(self.device.type, dtype=dtype))
            yield


def choose_runtime(
    *, device: str = "auto", precision: Precision = "auto", batch_size: int | None = None
) -> Runtime:
    """A runtime for `device` (auto, cpu, cuda[:N], mps); `auto` takes CUDA, then MPS, then the CPU.

    `batch_size` None means one chunk on a CPU, which loses nothing there, and four elsewhere.

    Raises:
        UsageError: the device is not on this machine, or cannot compute in that precision.
    """
    chosen = _choose_device(device)
    if precision == "fp16" and chosen.type == "cpu":
        raise UsageError(
            "fp16 is not a precision for a CPU.", hint="Use --precision fp32 or bf16 there."
        )
    if batch_size is None:
        batch_size = 1 if chosen.type == "cpu" else 4
    if batch_size < 1:
        raise UsageError(f"--batch-size must be at least 1, got {batch_size}.")
    return Runtime(
        device=chosen,
        precision=precision,
        batch_size=batch_size,
        batch_limit=BatchLimit(batch_size, chosen),
    )


def _choose_device(name: str) -> torch.device:
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda:0")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind == "cuda":
        count = torch.cuda.device_count()
        if index and not index.isdecimal():
            raise UsageError(f"{name!r} is not a device.", hint="Example: --device cuda:0")
        if int(index or 0) >= count:
            raise UsageError(
                f"Device {name!r} was asked for, but torch {torch.__version__} sees {count} CUDA "
                "devices.",
                hint="Use --device auto or --device cpu.",
            )
        return torch.device("cuda", int(index or 0))
    if name == "mps" and not torch.backends.mps.is_available():
        raise UsageError("Device 'mps' is not on this machine.", hint="Use --device auto.")
    if name in ("cpu", "mps"):
        return torch.device(name)
    raise UsageError(f"{name!r} is not a device.", hint="Use auto, cpu, cuda, cuda:N or mps.")
