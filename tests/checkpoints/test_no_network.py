"""Reading a file asks nobody: not for a name in it, not for a library, not for the Hub."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.models import random_models

READS = """
import sys

def refuse(event, arguments):
    if event.startswith("socket.") and event != "socket.__new__":
        raise SystemExit(f"{event} {arguments}")

sys.addaudithook(refuse)
from pathlib import Path
from stemsplit.checkpoints.config_file import read_configuration
from stemsplit.checkpoints.contents import read_file

for name in sys.argv[1:]:
    path = Path(name)
    read_configuration(path) if path.suffix == ".yaml" else read_file(path)
assert "huggingface_hub" not in sys.modules
print("read")
"""


@pytest.mark.slow
def test_no_file_is_read_by_way_of_the_network(tmp_path: Path) -> None:
    network = random_models.htdemucs()
    files = [
        random_models.write_safetensors(network, tmp_path),
        random_models.write_th(network, tmp_path),
        tmp_path / "bare.ckpt",
        tmp_path / "settings.yaml",
    ]
    torch.save({"state_dict": {"weight": torch.zeros(3)}}, files[2])
    files[3].write_text("model: {dim: 4}\n")
    reading = subprocess.run(
        [sys.executable, "-c", READS, *map(str, files)], capture_output=True, text=True, check=False
    )
    assert reading.stdout == "read\n", reading.stderr
