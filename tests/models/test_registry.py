"""What checkpoints may ask for, and what is refused."""

import importlib
import logging
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from torch import Tensor

from stemsplit.errors import CheckpointError
from stemsplit.models.blocks import spectrogram
from stemsplit.models.registry import FAMILIES, build_model, recognize
from tests.models.parity import build, noise
from tests.models.random_models import (
    STEMS,
    ReferenceModel,
    class_name,
    demucs,
    hdemucs,
    htdemucs,
)

HTDEMUCS = "demucs.htdemucs.HTDemucs"
HDEMUCS = "demucs.hdemucs.HDemucs"
DEMUCS = "demucs.demucs.Demucs"


def _build(name: str, **kwargs: object) -> object:
    """Without tensors: whatever is refused here is refused before the tensors are looked at."""
    return build_model(name, (), {"sources": list(STEMS), **kwargs}, {})


@pytest.mark.parametrize("name", ["os.system", "demucs.htdemucs.HTDemucs2", "", "HTDemucs"])
def test_an_unknown_class_is_refused_and_the_known_ones_are_listed(name: str) -> None:
    with pytest.raises(
        CheckpointError, match=r"Known are: .*bs_roformer, cac_tdc, d3net, deepfilternet, demucs\."
    ):
        build_model(name, (), {"sources": list(STEMS)}, {})


@pytest.mark.parametrize("family", [htdemucs, hdemucs, demucs])
def test_published_tensors_load_strictly(family: Callable[[], ReferenceModel]) -> None:
    reference = family()
    args, kwargs = reference._init_args_kwargs
    tensors = reference.state_dict()
    name = class_name(reference)
    first = next(iter(tensors))

    model = build(reference)
    assert model.state_dict().keys() == tensors.keys()
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())

    missing = {key: tensor for key, tensor in tensors.items() if key != first}
    with pytest.raises(CheckpointError, match=f"missing tensors: {first}"):
        build_model(name, args, kwargs, missing)
    with pytest.raises(CheckpointError, match="unexpected tensors: surplus"):
        build_model(name, args, kwargs, {**tensors, "surplus": torch.zeros(1)})
    with pytest.raises(CheckpointError, match=rf"wrong shapes: {first} \[7\], not \["):
        build_model(name, args, kwargs, {**tensors, first: torch.zeros(7)})
    integers = tensors[first].to(torch.int64)
    with pytest.raises(CheckpointError, match=rf"not floating-point: {first} \(torch.int64\)"):
        build_model(name, args, kwargs, {**tensors, first: integers})


def test_only_the_first_few_of_many_problems_are_named() -> None:
    with pytest.raises(CheckpointError, match=r"missing tensors: \S+, \S+, \S+ and \d+ more\."):
        _build(HTDEMUCS)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_tensors_of_any_precision_become_float32(dtype: torch.dtype) -> None:
    reference = demucs()
    args, kwargs = reference._init_args_kwargs
    tensors = {name: tensor.to(dtype) for name, tensor in reference.state_dict().items()}
    model = build_model(DEMUCS, args, kwargs, tensors)
    assert isinstance(model, torch.nn.Module)
    for name, tensor in model.state_dict().items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, tensors[name].float(), atol=0, rtol=0)


def test_float32_tensors_are_not_copied() -> None:
    reference = demucs()
    args, kwargs = reference._init_args_kwargs
    tensors = reference.state_dict()
    model = build_model(DEMUCS, args, kwargs, tensors)
    assert isinstance(model, torch.nn.Module)
    for name, tensor in model.state_dict().items():
        assert tensor.data_ptr() == tensors[name].data_ptr()


def test_arguments_may_be_given_by_position() -> None:
    reference = demucs(audio_channels=1)
    tensors = reference.state_dict()
    kwargs = {"channels": 8, "segment": 1}
    model = build_model(DEMUCS, (list(STEMS), 1), kwargs, tensors)
    assert model.spec.num_channels == 1
    with pytest.raises(CheckpointError, match="gives 'audio_channels' twice"):
        build_model(DEMUCS, (list(STEMS), 1), {"audio_channels": 1}, tensors)
    with pytest.raises(CheckpointError, match="26 positional arguments; the network takes 25"):
        build_model(DEMUCS, (1,) * 26, {}, tensors)


def test_an_argument_that_the_class_does_not_have_is_dropped_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reference = demucs()
    args, kwargs = reference._init_args_kwargs
    with caplog.at_level(logging.WARNING):
        build_model(DEMUCS, args, {**kwargs, "wandb": 1, "dummy": 2}, reference.state_dict())
    assert "dropped the arguments 'wandb', 'dummy'" in caplog.text


def test_known_training_arguments_are_ignored_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    reference = htdemucs()
    args, kwargs = reference._init_args_kwargs
    training = {
        "rescale": 3,
        "t_dropout": 0.2,
        "t_lr": 1e-3,
        "emb_smooth": False,
        "dconv_init": 0.5,
        "t_sparse_attn_window": 7,
        "wiener_residual": True,
    }
    build_model(HTDEMUCS, args, {**kwargs, **training}, reference.state_dict())
    assert not caplog.records


@pytest.mark.parametrize(
    ("name", "argument", "value"),
    [
        (HTDEMUCS, "cac", False),
        (HTDEMUCS, "multi_freqs", [0.5]),
        (HTDEMUCS, "t_emb", "cape"),
        (HTDEMUCS, "t_norm_first", False),
        (HTDEMUCS, "t_group_norm", True),
        (HTDEMUCS, "t_sparse_self_attn", True),
        (HTDEMUCS, "t_sparse_cross_attn", True),
        (HTDEMUCS, "t_sin_random_shift", 3),
        (HDEMUCS, "cac", False),
        (HDEMUCS, "hybrid", False),
        (HDEMUCS, "multi_freqs", [0.25, 0.5]),
    ],
)
def test_a_variant_that_is_not_implemented_is_refused(
    name: str, argument: str, value: object
) -> None:
    with pytest.raises(CheckpointError, match=f"has {argument}=.*; stemsplit implements only"):
        _build(name, **{argument: value})


@pytest.mark.parametrize("name", [HTDEMUCS, HDEMUCS, DEMUCS])
@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("channels", 10**12),
        ("channels", 0),
        ("channels", True),
        ("channels", "48"),
        ("channels", 48.0),
        ("depth", 10**6),
        ("dconv_depth", 10**6),
        ("growth", 1e30),
        ("growth", float("nan")),
        ("audio_channels", 10**9),
        ("samplerate", 10**12),
        ("segment", 10**9),
        ("segment", float("inf")),
        ("segment", float("nan")),
        ("segment", Fraction(-39, 5)),
        ("segment", Fraction(1, 44100)),
        ("segment", True),
        ("segment", "7.8"),
        ("rewrite", 1),
        ("sources", "vocals"),
        ("sources", []),
        ("sources", ["stem"] * 1000),
        ("sources", ["vocals", "vocals"]),
        ("sources", ["../../vocals"]),
        ("sources", ["vocals", 3]),
    ],
)
def test_absurd_arguments_are_refused_by_name(name: str, argument: str, value: object) -> None:
    with pytest.raises(CheckpointError, match=f"checkpoint has {argument}="):
        _build(name, **{argument: value})


def test_the_stems_must_be_given() -> None:
    with pytest.raises(CheckpointError, match="has sources=None; expected a list"):
        build_model(DEMUCS, (), {}, {})


@pytest.mark.parametrize(
    ("name", "kwargs", "message"),
    [
        (HTDEMUCS, {"channels": 4096, "growth": 16}, "layer 1 would have 65536 channels"),
        (HTDEMUCS, {"nfft": 4095}, "4095 is not a multiple of 8"),
        (HTDEMUCS, {"nfft": 4096 + 8}, "the branches do not line up"),
        (HTDEMUCS, {"kernel_size": 6}, "the kernel twice the stride"),
        (HTDEMUCS, {"depth": 6}, "do not reach the transformer with one width"),
        (HTDEMUCS, {"channels_time": 24}, "do not reach the transformer with one width"),
        (HTDEMUCS, {"t_heads": 7}, "384 features do not divide by 7 heads"),
        (HTDEMUCS, {"bottom_channels": 6}, "sine positions need a multiple of 4 features, got 6"),
        (HDEMUCS, {"depth": 4}, "a depth of 4 is too small for the branches to merge"),
        (HDEMUCS, {"norm_groups": 7}, "divisible by num_groups"),
        (DEMUCS, {"channels": 4096, "growth": 16}, "layer 1 would have 65536 channels"),
        (DEMUCS, {"dconv_comp": 100}, "64 channels compressed by 100 leave none"),
        (DEMUCS, {"kernel_size": 7}, "odd, which twice the sample rate never is"),
        (DEMUCS, {"depth": 16, "channels": 1, "growth": 1}, "it would read at least"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(
    name: str, kwargs: dict[str, object], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        _build(name, **kwargs)


def test_the_largest_arguments_that_pass_allocate_nothing_before_the_tensors_are_compared() -> None:
    # 80 GB of weights, were they allocated.
    kwargs = {"channels": 4096, "growth": 1, "depth": 16, "nfft": 4096, "context": 8}
    with pytest.raises(CheckpointError, match="missing tensors"):
        _build(HDEMUCS, **kwargs)


@pytest.mark.parametrize("family", [htdemucs, hdemucs, demucs])
def test_no_tensor_is_made_on_another_device_than_the_mixture_s(
    family: Callable[[], ReferenceModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The meta device stands in for an accelerator: mixing it with the CPU is an error. Only the
    # inverse STFT, which looks at its values, does not run there.
    def shape_only(spectrum: Tensor, *, hop_length: int, num_samples: int) -> Tensor:  # noqa: ARG001
        return torch.empty(*spectrum.shape[:-2], num_samples, device=spectrum.device)

    monkeypatch.setattr(spectrogram, "istft", shape_only)
    model = build(family())
    mixture = noise(1, 2, model.spec.chunking.fitted_length(22050)).to("meta")
    estimate = model.to("meta")(mixture)
    assert estimate.device.type == "meta"
    assert estimate.shape == (1, len(STEMS), *mixture.shape[1:])


@pytest.mark.parametrize("family", [htdemucs, hdemucs, demucs])
def test_random_models_leave_no_tensor_without_effect(
    family: Callable[[], ReferenceModel],
) -> None:
    # Else parity on them would prove little. A key's bias alone has none, by definition: the same
    # for all keys, it cancels in the softmax.
    reference = family()
    mixture = noise(1, 2, build(reference).spec.chunking.fitted_length(22050))
    estimate = reference(mixture)
    (estimate * noise(*estimate.shape, seed=1)).sum().backward()
    without_effect = [
        name
        for name, parameter in reference.named_parameters()
        if parameter.grad.norm() < 1e-7 * parameter.norm()  # 4e-9 is seen for key biases
    ]
    assert all(name.endswith(".key.bias") for name in without_effect)


@pytest.mark.slow
def test_importing_the_registry_brings_in_nothing_heavy_but_torch() -> None:
    code = (
        "import sys, torch; before = set(sys.modules); import stemsplit.models.registry; "
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    third_party = set(run.stdout.split()) - set(sys.stdlib_module_names)
    assert third_party == {"stemsplit"}


def test_a_checkpoint_that_fits_two_families_is_refused() -> None:
    both = {
        "encoder.0.0.weight": torch.zeros(4, 2, 8),
        "lstm.lstm.weight_ih_l0_reverse": torch.zeros(1),
        "separator.network.2.0.0.net.0.weight": torch.zeros(1),
    }
    with pytest.raises(CheckpointError, match=r"could be demucs\.model\.Demucs or demucs\.tasnet"):
        recognize(None, both, file_name="x.th")


def test_a_relative_of_demucs_v2_is_not_taken_for_it() -> None:
    """The Demucs denoiser: one channel, and an LSTM that does not look ahead."""
    tensors = {
        "encoder.0.0.weight": torch.zeros(48, 1, 8),
        "lstm.lstm.weight_ih_l0": torch.zeros(3072, 768),
    }
    with pytest.raises(CheckpointError, match=r"x\.th does not say which network it is for\."):
        recognize(None, tensors, file_name="x.th")


def test_no_folder_of_a_family_is_forgotten() -> None:
    import stemsplit.models

    for folder in sorted(Path(stemsplit.models.__file__).parent.iterdir()):
        module = f"stemsplit.models.{folder.name}"
        if not (folder / "config.py").exists() or folder.name == "spectral":
            continue  # no family, or one without files
        declared = importlib.import_module(module).FAMILIES
        assert declared
        assert all(FAMILIES[family.name] is family for family in declared)
