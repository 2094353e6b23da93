"""Files that hold a network's tensors and say nothing about the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from stemsplit.checkpoints.contents import read_tensors
from stemsplit.errors import CheckpointError

STATE = {"conv.weight": torch.arange(6.0).reshape(2, 3), "bn.num_batches_tracked": torch.tensor(4)}


def same(tensors: dict[str, torch.Tensor]) -> bool:
    return tensors.keys() == STATE.keys() and all(
        torch.equal(tensors[name], tensor) for name, tensor in STATE.items()
    )


@pytest.mark.parametrize("zip_layout", [True, False])
@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3, "hyper_parameters": {"x": Path("/x")}},
        {"state": STATE},
        {"model_state_dict": STATE, "optimizer_state_dict": {"state": {}, "param_groups": []}},
    ],
    ids=["plain", "lightning", "state", "training"],
)
def test_tensors_are_found_where_training_code_puts_them(
    content: dict[str, Any], zip_layout: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a.ckpt"
    torch.save(content, path, _use_new_zipfile_serialization=zip_layout)
    assert same(read_tensors(path))


def test_safetensors_need_no_metadata(tmp_path: Path) -> None:
    safetensors.torch.save_file(STATE, tmp_path / "a.safetensors")
    assert same(read_tensors(tmp_path / "a.safetensors"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "holds no tensors"),
        ([STATE], "holds no tensors"),
        ({"state_dict": {}}, "holds no tensors"),
        ({**STATE, "epoch": 3}, "'epoch' in its state is not a tensor"),
        ({"state_dict": {1: torch.zeros(1)}}, "1 in its state is not a tensor"),
    ],
)
def test_anything_else_is_refused(content: Any, message: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=message):
        read_tensors(tmp_path / "a.pt")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    for name in ("a.pt", "a.safetensors"):
        (tmp_path / name).write_bytes(b"damaged")
        with pytest.raises(CheckpointError):
            read_tensors(tmp_path / name)
