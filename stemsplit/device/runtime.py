"""Where and how the networks run: decided once, before the first track."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import get_args
from weakref import WeakKeyDictionary

import torch
from torch import nn

from stemsplit.device.batches import (
    BatchLimit,
    batch_that_fits,
    is_out_of_memory,
    next_power_of_two,
)
from stemsplit.device.call import Call
from stemsplit.device.chunk_memory import ChunkMemory
from stemsplit.device.cudnn import exact_convolutions
from stemsplit.device.hardware import DeviceMemory, cpu_has_bf16
from stemsplit.device.names import Precision, check_device_name, split_device_names
from stemsplit.device.queue import DeviceQueue
from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.errors import DeviceMemoryError, UsageError, check_choice
from stemsplit.models.fast import SelfTested, accelerate
from stemsplit.models.spec import Model
from stemsplit.quoting import counted

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}

_REQUIRED_DB = 50.0  # of fp16, for `auto` to take it on CUDA

_MPS_BATCH = 4

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What was decided about a network: what autocast may use, and its largest batch."""

    dtype: torch.dtype
    batch_size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Runtime:
    """The device, the precision of the networks, and how many chunks they see at once.

    `queue` is where all of them are called, `chunk_memory` what is asked before that.
    """

    device: torch.device
    precision: Precision
    """As it was asked for: `auto` is decided for each network, by `prepare`."""
    batch_size: int | None
    """As it was asked for; None is decided for each network."""
    queue: DeviceQueue
    chunk_memory: ChunkMemory
    _prepared: MutableMapping[Model, _Prepared] = field(default_factory=WeakKeyDictionary)

    def prepare(self, model: Model) -> str:
        """Brings a loaded model to the device, in place; the lowest precision that it uses there.

        On a CPU, layers are replaced by faster ones that agree with them, and bf16 (`auto` takes it
        where the CPU multiplies it) is for those layers that bear it. Casting everything to it
        would cost 20 dB more (39 dB from the exact output against 57). Elsewhere a lower precision
        is torch's autocast, which keeps norms, softmax and all sums in fp32; on CUDA, `auto` is
        fp16 for networks that agree with themselves to 50 dB when they try it, and fp32 for all
        others. fp32 is fp32 everywhere: TF32 is off.

        Raises:
            DeviceMemoryError: the device has no room even for the weights.
        """
        if not isinstance(model, nn.Module):
            return "fp32"
        if self.device.type == "cpu":
            return self._accelerate(model)
        try:
            model.to(self.device)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise DeviceMemoryError(
                f"The network does not fit into the memory of {self.device}.",
                hint="Close other programs, or use `device='cpu'`.",
            ) from None
        precision = self.precision
        if precision == "auto":
            tries = self.device.type == "cuda"
            precision = "fp16" if tries and _allows_fp16(model, self.device) else "fp32"
        dtype = _DTYPES.get(precision, torch.float32)
        self._prepared[model] = _Prepared(dtype, self._batch_size_for(model, dtype))
        return precision

    def call_for(self, model: Model, stem_indices: tuple[int, ...], *, num_chunks: int) -> Call:
        """How `model` is called for some of its stems, for a track with so many equal chunks.

        The batch has a row for each of them, rounded up to a power of two, and at most as many as
        the device holds. So it is the same whatever else is run (see `DeviceQueue`), there are few
        sizes, and a short track does not pay for a long one's.
        """
        prepared = self._prepared.get(model, _Prepared(torch.float32, self.batch_size or 1))
        batch_size = min(next_power_of_two(num_chunks), prepared.batch_size)
        return Call(
            network=model, stem_indices=stem_indices, batch_size=batch_size, dtype=prepared.dtype
        )

    def _batch_size_for(self, model: Model, dtype: torch.dtype) -> int:
        """What was asked for, or as many chunks as fit."""
        if model.spec.chunking.sequential:
            return 1
        if self.batch_size is not None:
            return self.batch_size
        if model.spec.needs_reference:
            return 1
        if self.device.type != "cuda":
            return _MPS_BATCH
        spec = model.spec
        num_samples = spec.chunking.fitted_length(spec.chunking.chunk_samples)
        chunk = torch.zeros(1, spec.num_channels, num_samples, device=self.device)
        stem_indices = tuple(range(len(spec.stems)))
        call = Call(network=model, stem_indices=stem_indices, batch_size=1, dtype=dtype)
        with exact_convolutions(self.device):
            batch_size = batch_that_fits(lambda: call(chunk), DeviceMemory(self.device))
        _log.info("%d chunks at once on %s", batch_size, self.device)
        return batch_size

    def _accelerate(self, model: nn.Module) -> str:
        wanted = self.precision == "bf16" or (self.precision == "auto" and cpu_has_bf16())
        for dtype in (torch.bfloat16, torch.float32) if wanted else (torch.float32,):
            used = accelerate(model, dtype)
            if used is not None:
                return "bf16" if used == torch.bfloat16 else "fp32"
        return "fp32"


def choose_runtime(
    *, device: str = "auto", precision: Precision = "auto", batch_size: int | None = None
) -> Runtime:
    """A runtime for `device` (auto, cpu, cuda[:N], mps); `auto` takes CUDA, then MPS, then the CPU.

    `batch_size` None means one chunk on a CPU, which loses nothing there, four on MPS, and on CUDA
    as many as fit (`device.batches`).

    Raises:
        UsageError: the device is not on this machine, or cannot compute in that precision.
    """
    return _new_runtime(_choose_device(device), precision, batch_size)


def choose_runtimes(
    *, devices: str, precision: Precision = "auto", batch_size: int | None = None
) -> tuple[Runtime, ...]:
    """One runtime for each of several devices with commas between, which share the tracks of a run.

    Only CUDA devices can, and should be equal: on others a track would have other bytes.

    Raises:
        UsageError: as `choose_runtime`, or a device is named twice.
    """
    chosen = [_choose_device(name) for name in split_device_names(devices)]
    for index, device in enumerate(chosen):
        if device in chosen[:index]:
            raise UsageError(
                f"`device={devices!r}` names {device} twice.",
                hint="Example: `device='cuda:0,cuda:1'`",
            )
        if len(chosen) > 1 and device.type != "cuda":
            raise UsageError(
                f"`device={devices!r}`: only CUDA devices can share the work, and {device} is "
                "none.",
                hint="Name one device, or several CUDA devices.",
            )
    return tuple(_new_runtime(device, precision, batch_size) for device in chosen)


def _new_runtime(device: torch.device, precision: Precision, batch_size: int | None) -> Runtime:
    check_choice("precision", precision, get_args(Precision))
    if precision == "fp16" and device.type == "cpu":
        raise UsageError(
            "fp16 is not a precision for a CPU.",
            hint="Use `precision='fp32'` or `precision='bf16'` there.",
        )
    if batch_size is not None and batch_size < 1:
        raise UsageError(f"`batch_size` must be at least 1, got {batch_size}.")
    return Runtime(
        device=device,
        precision=precision,
        batch_size=batch_size,
        queue=DeviceQueue(device, BatchLimit(device)),
        chunk_memory=ChunkMemory(device),
    )


def _allows_fp16(network: nn.Module, device: torch.device) -> bool:
    """Whether the network, tried on the device, agrees in fp16 with itself in fp32."""
    if not isinstance(network, SelfTested):
        return False
    with torch.inference_mode(), exact_convolutions(device):
        expected = network.self_test(device)
        with torch.autocast(device.type, dtype=torch.float16):
            found = network.self_test(device)
    # Of the first signal, noise: what a click loses in fp16 depends on little else than the click.
    reached_db = signal_to_difference_db(expected[0], found[0])
    _log.info("In fp16 the network agrees with fp32 to %.0f dB", reached_db)
    # Not a number, after an overflow, is no agreement.
    return reached_db >= _REQUIRED_DB and bool(found.isfinite().all())


def _choose_device(name: str) -> torch.device:
    check_device_name(name)
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda:0")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind == "cuda":
        count = torch.cuda.device_count()
        if int(index or 0) >= count:
            raise UsageError(
                f"Device {name!r} was asked for, but torch {torch.__version__} sees "
                f"{counted(count, 'CUDA device')}.",
                hint="Use `device='auto'` or `device='cpu'`.",
            )
        return torch.device("cuda", int(index or 0))
    if name == "mps" and not torch.backends.mps.is_available():
        raise UsageError("Device 'mps' is not on this machine.", hint="Use `device='auto'`.")
    return torch.device(name)
