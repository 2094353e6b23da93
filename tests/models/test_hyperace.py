"""HyperACE masks of a Band-Split RoFormer, against golden vectors of an independent program."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch

from stemsplit.errors import CheckpointError
from stemsplit.models.family import NetworkArguments
from stemsplit.models.registry import FAMILIES, build_model
from stemsplit.models.roformer.model import BSRoFormer
from tests.golden.make_hyperace import KINDS, NETWORK, fill, mixtures
from tests.models.loading import golden
from tests.models.parity import agreement_db, noise

# The network makes more of a rounding than others do: the reference's own float32 is 94 dB from its
# double precision, of which the golden vectors are; ours is 86 to 94 dB from it.
REQUIRED_DB = 80.0


def settings(**model: Any) -> dict[str, Any]:
    """A configuration file as it lies beside such weights; nothing in it speaks of HyperACE."""
    return {
        "audio": {"chunk_size": 16384, "sample_rate": 44100, "num_channels": 2},
        "model": {**NETWORK, **model},
        "training": {"instruments": ["vocals", "other"], "target_instrument": "vocals"},
        "inference": {"num_overlap": 2},
    }


@cache
def network() -> BSRoFormer:
    names = ("mask_estimators.0.segm.backbone.stem.bn.weight",)
    built = FAMILIES["bs_roformer"].build(NetworkArguments((), settings(), names))
    assert isinstance(built, BSRoFormer)
    fill(built)
    return built.requires_grad_(False)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_published_network(kind: str) -> None:
    expected = golden("hyperace")[kind]
    estimate = network()(mixtures()[KINDS.index(kind)][None])[0, 0]
    if kind == "silence":
        assert not expected.any()
        assert not estimate.any()
    else:
        assert agreement_db(expected, estimate) > REQUIRED_DB


def test_a_checkpoint_says_by_its_tensors_that_it_is_one() -> None:
    model = build_model("bs_roformer", (), settings(), network().state_dict())
    mixture = 0.1 * noise(1, 2, 4000)
    torch.testing.assert_close(model(mixture), network()(mixture))
    plain = FAMILIES["bs_roformer"].build(NetworkArguments((), settings(), ()))
    assert not any(".segm." in name for name in plain.state_dict())


def test_the_first_version_of_it_is_refused() -> None:
    """Its last layers are others: those that this one has are missing."""
    tensors = network().state_dict()
    first = {name: tensor for name, tensor in tensors.items() if ".out_conv." not in name}
    with pytest.raises(CheckpointError, match="out_conv"):
        build_model("bs_roformer", (), settings(), first)


def test_mono_is_refused() -> None:
    with pytest.raises(CheckpointError, match="HyperACE are for stereo"):
        build_model("bs_roformer", (), settings(stereo=False), network().state_dict())


@pytest.mark.parametrize("num_samples", [1, 511, 1025])
def test_any_length_and_any_company(num_samples: int) -> None:
    pair = 0.1 * noise(2, 2, num_samples)
    together = network()(pair)
    assert together.shape == (2, 1, 2, num_samples)
    for index in range(2):
        alone = network()(pair[index : index + 1])[0]
        torch.testing.assert_close(together[index], alone, atol=1e-4, rtol=1e-3)


def test_its_u_net_stays_in_single_precision() -> None:
    (estimator,) = network().mask_estimators
    features = noise(1, 9, 62, 16)
    with torch.autocast("cpu", torch.bfloat16):
        mask = estimator(features)
    assert agreement_db(estimator(features), mask) > 30
