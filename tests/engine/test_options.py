from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from stemsplit.device.names import Precision
from stemsplit.device.runtime import choose_runtime
from stemsplit.engine.options import (
    SeparationOptions,
    check_stem,
    choose_outputs,
    needed_stems,
)
from stemsplit.engine.outputs import Output
from stemsplit.errors import UnknownStemError, UsageError
from tests.engine.toy_models import STEMS
from tests.models.parity import build
from tests.models.random_models import hdemucs, htdemucs


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stems": ("drums",), "two_stems": "drums"}, "exclude each other"),
        ({"stems": ()}, "names no stem"),
        ({"shifts": -1}, "`shifts` must be between 0 and 100, got -1"),
        ({"overlap": 1.0}, "`overlap` must be at least 0 and below 1, got 1.0"),
        ({"overlap": -0.1}, "got -0.1"),
        ({"segment_seconds": 0.0}, "at least 0.1 seconds, got 0.0"),
        ({"segment_seconds": float("nan")}, "`segment` must be a finite number .* got nan"),
        ({"segment_seconds": float("inf")}, "`segment` must be a finite number .* got inf"),
        ({"segment_seconds": -5.0}, "at least 0.1 seconds, got -5.0"),
        ({"segment_seconds": "20"}, "`segment` must be a finite number .* got '20'"),
    ],
)
def test_options_that_make_no_sense_are_usage_errors(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        SeparationOptions(**options)
    assert caught.value.exit_code == 2


def test_all_stems_are_written_unless_some_are_named() -> None:
    names = [output.name for output in choose_outputs(STEMS, SeparationOptions())]
    assert names == list(STEMS)
    some = choose_outputs(STEMS, SeparationOptions(stems=("vocals", "bass", "vocals")))
    assert [output.name for output in some] == ["vocals", "bass"]
    assert needed_stems(STEMS, some) == ("bass", "vocals")


def test_a_residual_needs_every_stem() -> None:
    outputs = choose_outputs(STEMS, SeparationOptions(stems=("bass",), residual=True))
    assert needed_stems(STEMS, outputs) == STEMS


def test_an_unknown_stem_is_named_with_the_known_ones() -> None:
    with pytest.raises(UnknownStemError, match=r"no stem 'vocal'. Did you mean vocals\? It has dr"):
        check_stem("vocal", STEMS)
    with pytest.raises(UnknownStemError, match=r"no stem 'kazoo'. It has drums, bass"):
        choose_outputs(STEMS, SeparationOptions(two_stems="kazoo"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"device": "tpu"}, "'tpu' is not a device"),
        ({"device": "cuda:x"}, "'cuda:x' is not a device"),
        ({"device": "cuda:99"}, "'cuda:99' was asked for, but torch"),
        ({"device": "cpu", "precision": "fp16"}, "fp16 is not a precision for a CPU"),
        ({"device": "cpu", "batch_size": 0}, "`batch_size` must be at least 1, got 0"),
    ],
)
def test_a_runtime_that_cannot_be_is_a_usage_error(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        choose_runtime(**arguments)


class Halves(torch.nn.Module):
    """A network of which nothing is known but its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 4)


@pytest.mark.parametrize("precision", ["auto", "fp32", "bf16"])
def test_a_cpu_never_casts_a_whole_network(precision: Precision) -> None:
    runtime = choose_runtime(device="cpu", precision=precision)
    network = Halves()
    assert runtime.prepare(network) == "fp32"  # type: ignore[arg-type]
    assert network.layer(torch.ones(1, 4)).dtype == torch.float32


@pytest.mark.parametrize("has_bf16", [True, False])
def test_auto_takes_bf16_where_the_cpu_has_it(
    has_bf16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stemsplit.device.runtime.cpu_has_bf16", lambda: has_bf16)
    auto = choose_runtime(device="cpu")
    assert auto.prepare(build(htdemucs())) == ("bf16" if has_bf16 else "fp32")
    assert auto.prepare(build(hdemucs())) == "fp32"  # has no layer that bears it
    assert choose_runtime(device="cpu", precision="fp32").prepare(build(htdemucs())) == "fp32"
    assert choose_runtime(device="cpu", precision="bf16").prepare(build(htdemucs())) == "bf16"


def test_a_stem_file_has_the_mixture_and_four_stems() -> None:
    options = SeparationOptions(stem_file=True)
    outputs = choose_outputs(("vocals", "drums", "bass", "other"), options)
    assert outputs == (
        Output("mixture", 1.0, {}),
        *(Output(stem, 0.0, {stem: 1.0}) for stem in ("drums", "bass", "other", "vocals")),
    )


def test_the_fifth_and_sixth_stem_go_into_other_of_a_stem_file() -> None:
    stems = ("drums", "bass", "other", "vocals", "guitar", "piano")
    outputs = choose_outputs(stems, SeparationOptions(stem_file=True))
    assert outputs[3] == Output("other", 0.0, {"other": 1.0, "guitar": 1.0, "piano": 1.0})
    assert set(needed_stems(stems, outputs)) == set(stems)


def test_a_model_without_the_four_stems_makes_no_stem_file() -> None:
    with pytest.raises(UsageError, match=r"has vocals, other. Use a model with these four"):
        choose_outputs(("vocals", "other"), SeparationOptions(stem_file=True))


def test_strength_leaves_a_share_of_the_noise_in_speech() -> None:
    options = SeparationOptions(strength=0.75, mixes=("loud = 2*speech + noise",))
    outputs = choose_outputs(("speech", "noise"), replace(options, stems=("speech", "noise")))
    assert outputs == (
        Output("speech", 0.25, {"speech": 0.75}),
        Output("noise", 0.0, {"noise": 0.75}),
        Output("loud", 0.5, {"speech": 1.5, "noise": 0.75}),
    )


def test_a_model_without_speech_has_no_strength() -> None:
    with pytest.raises(UsageError, match="the model has no such stem: it has drums, vocals"):
        choose_outputs(("drums", "vocals"), SeparationOptions(strength=0.5))


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan"), "all"])
def test_strength_is_a_share(strength: float) -> None:
    with pytest.raises(UsageError, match="`strength` must be"):
        SeparationOptions(strength=strength)
