"""Reference networks with random weights in which every branch matters, and published layouts.

No trained weights are needed to prove parity, but the reference's own initialisation will not do:
it starts residual branches at a gain of 1e-4, where a wrong branch would go unnoticed.

The small variants keep all kinds of layers and run in well under a second per second of audio.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pytest
import safetensors.torch
import torch
import yaml
from torch import Tensor, nn

from stemsplit.models.family import NetworkArguments
from stemsplit.models.registry import FAMILIES
from tests.references import reference_module

ReferenceModel = Any
"""A demucs.htdemucs.HTDemucs, demucs.hdemucs.HDemucs or demucs.demucs.Demucs, or a StandIn."""

HTDEMUCS, HDEMUCS, DEMUCS = (
    "demucs.htdemucs.HTDemucs",
    "demucs.hdemucs.HDemucs",
    "demucs.demucs.Demucs",
)
STEMS = ("drums", "bass", "other", "vocals")
SIX_STEMS = (*STEMS, "guitar", "piano")

PUBLISHED_HTDEMUCS: Mapping[str, Any] = {
    "bottom_channels": 512,
    "dconv_mode": 3,
    "segment": Fraction(39, 5),
}
PUBLISHED_HTDEMUCS_6S: Mapping[str, Any] = {**PUBLISHED_HTDEMUCS, "bottom_channels": 0}

SMALL: Mapping[str, Mapping[str, Any]] = {
    HTDEMUCS: {
        "channels": 8,
        "bottom_channels": 32,
        "dconv_mode": 3,
        "dconv_comp": 2,
        "t_heads": 4,
        "segment": Fraction(1, 2),
    },
    HDEMUCS: {"channels": 8, "dconv_comp": 2, "segment": 1},
    DEMUCS: {"channels": 8, "segment": 1},
}
"""Cheap arguments for each class."""


class StandIn:
    """Our network where demucs is not installed: to be written to files, not to be compared with.

    That its tensors are those of the published class is what the tests of parity show.
    """

    def __init__(self, name: str, **kwargs: Any) -> None:
        self.class_name = name
        self.network = FAMILIES[name].build(NetworkArguments((), kwargs, ()))
        self._init_args_kwargs = ((), kwargs)
        for parameter in self.network.parameters():
            # Ours leave it to the checkpoint to fill them.
            num_inputs = parameter[0].numel() if parameter.ndim > 1 else 1
            nn.init.normal_(parameter, std=num_inputs**-0.5)

    def __getattr__(self, name: str) -> Any:
        if not hasattr(self.network, name):  # to ask for it is to compare
            self()
        return getattr(self.network, name)

    def eval(self) -> StandIn:
        self.network.eval()
        return self

    def __call__(self, *_: object) -> Tensor:
        pytest.skip("needs the reference demucs: pip install -e '.[test]'")


def htdemucs(
    seed: int = 0, *, stems: Sequence[str] = STEMS, small: bool = True, **arguments: Any
) -> ReferenceModel:
    """A reference HTDemucs; `small` starts from cheap arguments, else from the class's defaults."""
    return _randomized(HTDEMUCS, seed, stems, SMALL[HTDEMUCS] if small else {}, arguments)


def hdemucs(
    seed: int = 0, *, stems: Sequence[str] = STEMS, small: bool = True, **arguments: Any
) -> ReferenceModel:
    """A reference HDemucs; `small` starts from cheap arguments, else from the class's defaults."""
    return _randomized(HDEMUCS, seed, stems, SMALL[HDEMUCS] if small else {}, arguments)


def demucs(
    seed: int = 0, *, stems: Sequence[str] = STEMS, small: bool = True, **arguments: Any
) -> ReferenceModel:
    """A reference Demucs; `small` starts from cheap arguments, else from the class's defaults."""
    return _randomized(DEMUCS, seed, stems, SMALL[DEMUCS] if small else {}, arguments)


def class_name(model: ReferenceModel) -> str:
    """The class as published files name it."""
    if isinstance(model, StandIn):
        return model.class_name
    return f"{type(model).__module__}.{type(model).__name__}"


@contextlib.contextmanager
def published_class(name: str) -> Iterator[type]:
    """A class that is pickled under this name: the reference's, or an empty one in its place."""
    module_name, _, class_ = name.rpartition(".")
    if importlib.util.find_spec("demucs") is not None:
        yield getattr(reference_module(module_name), class_)
        return
    module = ModuleType(module_name)
    setattr(module, class_, type(class_, (), {"__module__": module_name}))
    with mock.patch.dict(sys.modules, {"demucs": ModuleType("demucs"), module_name: module}):
        yield getattr(module, class_)


def signature(model: ReferenceModel) -> str:
    """Eight hexadecimal digits that depend on the arguments and weights."""
    digest = hashlib.sha256(repr(model._init_args_kwargs).encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()[:8]


def write_safetensors(model: ReferenceModel, path: Path, *, half: bool = False) -> Path:
    """Writes the layout of the published repositories and returns the file.

    `path` is the file, or an existing folder, in which it is called `{signature}.safetensors`.
    """
    file = path / f"{signature(model)}.safetensors" if path.is_dir() else path
    args, kwargs = model._init_args_kwargs
    metadata = {"klass": class_name(model), "args": _json(args), "kwargs": _json(kwargs)}
    safetensors.torch.save_file(_state(model, half=half), file, metadata)
    return file


def write_th(model: ReferenceModel, path: Path, *, half: bool = False) -> Path:
    """Writes the pickled layout and returns the file, whose name ends in its own checksum.

    `path` is the file without the checksum (`folder/955717e8.th`), or an existing folder.
    """
    stem = path / f"{signature(model)}.th" if path.is_dir() else path
    args, kwargs = model._init_args_kwargs
    package: dict[str, object] = {
        "args": args,
        "kwargs": kwargs,
        "state": _state(model, half=half),
        "training_args": {"epochs": 1},
    }
    buffer = io.BytesIO()
    with published_class(class_name(model)) as package["klass"]:
        torch.save(package, buffer)
    checksum = hashlib.sha256(buffer.getvalue()).hexdigest()[:8]
    file = stem.with_name(f"{stem.stem}-{checksum}{stem.suffix}")
    file.write_bytes(buffer.getvalue())
    return file


def write_bag(
    folder: Path,
    name: str,
    models: Sequence[ReferenceModel],
    weights: Sequence[Sequence[float]] | None = None,
    segment: float | None = None,
) -> Path:
    """Writes `{name}.yaml` and the models as safetensors beside it, and returns the yaml file."""
    bag: dict[str, Any] = {"models": [write_safetensors(model, folder).stem for model in models]}
    if weights is not None:
        bag["weights"] = [list(row) for row in weights]
    if segment is not None:
        bag["segment"] = segment
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(bag))
    return file


def _randomized(
    name: str,
    seed: int,
    stems: Sequence[str],
    base: Mapping[str, Any],
    arguments: Mapping[str, Any],
) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _class(name)(sources=list(stems), **{**base, **arguments})
        with torch.no_grad():
            for parameter_name, parameter in model.named_parameters():
                _randomize(parameter_name, parameter)
    return model.eval()


def _class(name: str) -> Callable[..., Any]:
    module, _, class_ = name.rpartition(".")
    if name != DEMUCS and importlib.util.find_spec("demucs") is None:
        return functools.partial(StandIn, name)  # ours of Demucs has other names for its tensors
    return getattr(reference_module(module), class_)


def _randomize(name: str, parameter: Tensor) -> None:
    if name.endswith(".scale") or (parameter.ndim == 1 and name.endswith("weight")):
        parameter.uniform_(0.5, 1.5)  # gains of residual branches and norms
    elif "query_decay" in name:
        parameter.normal_(std=0.5)  # the reference starts with hardly any decay
    elif parameter.ndim == 1:
        parameter.normal_(std=0.2)


def _state(model: ReferenceModel, *, half: bool) -> dict[str, Tensor]:
    dtype = torch.float16 if half else torch.float32
    return {name: tensor.detach().to(dtype) for name, tensor in model.state_dict().items()}


def _json(value: object) -> str:
    def encode(item: object) -> object:
        if isinstance(item, Fraction):
            return {
                "_type": "fraction",
                "numerator": item.numerator,
                "denominator": item.denominator,
            }
        raise TypeError(f"cannot write {item!r} as JSON")

    return json.dumps(value, default=encode)
