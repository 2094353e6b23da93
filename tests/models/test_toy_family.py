"""What a family declares is all that is needed, from the file to the stems; the rest of what it
keeps to is in test_families."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch

from stemsplit import Separator
from stemsplit.errors import CheckpointError
from tests.models.deterministic_weights import fill_by_name
from tests.models.parity import noise
from tests.models.toy_family import ToyDenoiser, read_toy_config, registered


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    network = ToyDenoiser(read_toy_config({"hidden": 4, "kernel": 3}))
    fill_by_name(network)
    safetensors.torch.save_file(network.state_dict(), tmp_path / "denoiser.safetensors")
    return tmp_path / "denoiser.safetensors"


def test_a_new_family_runs_from_its_file_on(checkpoint: Path) -> None:
    mixture = 0.1 * noise(2, 22050)
    with registered():
        separator = Separator(str(checkpoint), device="cpu")
        stems = separator.separate(mixture.numpy(), sample_rate=44100).stems
    assert separator.model.bags[0].family == "toy"
    assert list(stems) == ["speech", "noise"]
    assert stems["speech"].shape == mixture.shape
    assert abs(stems["speech"]).max() > 1e-3
    together = torch.from_numpy(stems["speech"] + stems["noise"])
    torch.testing.assert_close(together, mixture, atol=1e-6, rtol=0)


def test_without_its_line_in_the_registry_it_is_unknown(checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="does not say which network"):
        Separator(str(checkpoint), device="cpu")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": 65}, r"The Toy checkpoint has hidden=65; expected a whole number from 1 to 64"),
        ({"hidden": True}, "expected a whole number from 1 to 64"),
        ({"kernel": None}, "has kernel=None; expected a whole number from 1 to 63"),
    ],
)
def test_an_argument_is_checked_by_its_declaration(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_toy_config(settings)


def test_a_declared_field_has_no_default_of_its_own() -> None:
    assert read_toy_config({}).kernel_size == 5
    with pytest.raises(TypeError, match="missing"):
        type(read_toy_config({}))()
