"""How convolutions are summed on a CUDA device, for as long as a network of ours is called."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import torch

_lock = threading.Lock()
_num_inside = 0
_outside = contextlib.ExitStack()


@contextlib.contextmanager
def exact_convolutions(device: torch.device) -> Iterator[None]:
    """A context in which fp32 is fp32 on CUDA, and the same call gives the same bits.

    Else cuDNN rounds what goes into convolutions to 10 bits (TF32), and may sum in an order that
    changes from call to call. Its flags belong to the whole process: the first thread to come here
    sets them, and the last to leave puts back what was there.
    """
    if device.type != "cuda":
        yield
        return
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _num_inside
    with _lock:
        if not _num_inside:
            flags = torch.backends.cudnn.flags(
                enabled=torch.backends.cudnn.enabled,
                benchmark=torch.backends.cudnn.benchmark,
                benchmark_limit=torch.backends.cudnn.benchmark_limit,
                deterministic=True,
                allow_tf32=False,
            )
            _outside.enter_context(flags)
        _num_inside += 1


def _leave() -> None:
    global _num_inside
    with _lock:
        _num_inside -= 1
        if not _num_inside:
            _outside.close()
