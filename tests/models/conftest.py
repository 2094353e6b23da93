from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def plain_kernels() -> Iterator[None]:
    """oneDNN in torch 2.11 gets strided bf16 convolutions wrong on CPUs with AMX (by -1 dB)."""
    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    yield
    torch._C._set_mkldnn_enabled(before)
