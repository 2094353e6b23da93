"""X-UMX with weights by name, in packages as asteroid's training writes them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.golden import make_xumx

_PUBLISHED = json.loads(Path(make_xumx.__file__).with_name("xumx.json").read_text())

SMALL: dict[str, Any] = _PUBLISHED["stereo"]["model_args"]


def arguments_of(name: str) -> dict[str, Any]:
    """The arguments that asteroid gives for one of `make_xumx`'s networks."""
    return dict(_PUBLISHED[name]["model_args"])


def tensors_of(name: str) -> dict[str, Tensor]:
    """All that its package has, under asteroid's names."""
    return make_xumx.weights(_PUBLISHED[name]["shapes"])


def package_of(name: str) -> bytes:
    """The file; the highest bin is a number of NumPy's, as its training program finds it."""
    arguments = arguments_of(name)
    package = {
        "model_name": "XUMX",
        "state_dict": tensors_of(name),
        "model_args": arguments | {"max_bin": np.int64(arguments["max_bin"])},
        "infos": {"software_versions": {"torch_version": torch.__version__}},
    }
    buffer = io.BytesIO()
    torch.save(package, buffer)
    return buffer.getvalue()
