from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

import pytest
import torch

from stemsplit.engine.speaker_selection import PACKAGE, load_embedding
from stemsplit.hub.transfer import Connection
from stemsplit.models.speaker_embedding import SpeakerEmbedding


@pytest.fixture
def plain_kernels() -> Iterator[None]:
    """oneDNN in torch 2.11 gets strided bf16 convolutions wrong on CPUs with AMX (by -1 dB)."""
    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    yield
    torch._C._set_mkldnn_enabled(before)


@pytest.fixture
def published(weight_packages: None) -> SpeakerEmbedding:
    """The network that knows voices, with its published weights."""
    del weight_packages
    try:
        metadata.distribution(PACKAGE.name)
    except metadata.PackageNotFoundError:
        pytest.skip(f"needs {PACKAGE}: pip install --no-deps {PACKAGE}")
    return load_embedding(Connection(offline=True))
