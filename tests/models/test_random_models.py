"""The published layouts that other tests rely on are ones that the reference itself reads."""

from fractions import Fraction
from pathlib import Path

import pytest
import torch
import yaml

from tests.models.random_models import (
    ReferenceModel,
    demucs,
    htdemucs,
    signature,
    write_bag,
    write_safetensors,
    write_th,
)
from tests.references import reference_module

load_safetensors_model = reference_module("demucs.hf").load_safetensors_model


def _assert_same(loaded: ReferenceModel, model: ReferenceModel) -> None:
    assert loaded._init_args_kwargs == model._init_args_kwargs
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)


def test_safetensors(tmp_path: Path) -> None:
    model = htdemucs(segment=Fraction(39, 50))
    file = write_safetensors(model, tmp_path)
    assert file.name == f"{signature(model)}.safetensors"
    _assert_same(load_safetensors_model(file), model)


@pytest.mark.parametrize("half", [False, True])
def test_th(tmp_path: Path, half: bool) -> None:
    model = demucs()
    file = write_th(model, tmp_path / "0a1b2c3d.th", half=half)
    assert file.name.startswith("0a1b2c3d-")
    package = torch.load(file, weights_only=False)
    assert package["klass"] is type(model)
    assert package["kwargs"]["channels"] == 8
    dtypes = {tensor.dtype for tensor in package["state"].values()}
    assert dtypes == {torch.float16 if half else torch.float32}


def test_bag_and_seeds(tmp_path: Path) -> None:
    models = [demucs(0), demucs(1)]
    assert signature(models[0]) == signature(demucs(0)) != signature(models[1])
    file = write_bag(tmp_path, "two", models, weights=[[1, 0, 0, 0], [0, 1, 1, 1]], segment=2)
    bag = yaml.safe_load(file.read_text())
    assert bag["models"] == [signature(model) for model in models]
    assert bag["segment"] == 2
    for sig, model in zip(bag["models"], models, strict=True):
        _assert_same(load_safetensors_model(tmp_path / f"{sig}.safetensors"), model)
