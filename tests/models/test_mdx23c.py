"""MDX23C against golden vectors of the published implementation, and its configuration files."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.engine.mixture import Mixture
from stemsplit.errors import CheckpointError
from stemsplit.models.blocks.batch_norm import fold_batch_norms
from stemsplit.models.mdx23c.config import read_mdx23c_config
from stemsplit.models.mdx23c.model import Mdx23c
from tests.golden.make_mdx23c import CASES, mixture
from tests.models.deterministic_weights import fill_by_name, noise_by_name, values_by_name
from tests.models.loading import golden, loaded, separate

PUBLISHED: dict[str, Any] = {
    "audio": {
        "chunk_size": 261120,
        "dim_f": 4096,
        "dim_t": 256,
        "hop_length": 1024,
        "n_fft": 8192,
        "num_channels": 2,
        "sample_rate": 44100,
        "min_mean_abs": 0.001,
    },
    "model": {
        "act": "gelu",
        "bottleneck_factor": 4,
        "growth": 128,
        "norm": "InstanceNorm",
        "num_blocks_per_scale": 2,
        "num_channels": 128,
        "num_scales": 5,
        "num_subbands": 4,
        "scale": [2, 2],
    },
    "training": {"instruments": ["Vocals", "Instrumental"], "target_instrument": None},
    "inference": {"batch_size": 1, "dim_t": 256, "num_overlap": 4},
}


def network_of(settings: dict[str, Any]) -> Mdx23c:
    """The network with weights by name."""
    network = Mdx23c(read_mdx23c_config(settings))
    fill_by_name(network)
    return network.requires_grad_(False)


def published_tensors(network: Mdx23c, *, batch_norm: bool) -> dict[str, Tensor]:
    """Tensors by name in the published layout."""
    tensors = {
        name: values_by_name(name, tensor.shape) for name, tensor in network.state_dict().items()
    }
    norms = [name[:-5] for name in tensors if name.endswith(".bias")] if batch_norm else []
    for norm in norms:
        for statistic in ("running_mean", "running_var"):
            name = f"{norm}.{statistic}"
            tensors[name] = values_by_name(name, tensors[f"{norm}.bias"].shape)
        tensors[f"{norm}.num_batches_tracked"] = torch.tensor(3)
    return tensors


@pytest.mark.parametrize("case", CASES)
def test_the_network_equals_the_published_implementation(case: str) -> None:
    config = read_mdx23c_config(CASES[case])
    tensors = published_tensors(Mdx23c(config), batch_norm=config.norm == "BatchNorm")
    network = loaded(
        lambda: Mdx23c(config),
        tensors,
        lambda found, names: fold_batch_norms(found, names, transposed_prefix="none"),
    )
    expected = golden("mdx23c")[case]
    # Batch norms are applied as a gain and an offset, and sums formed in another order: more than
    # 110 dB are seen.
    assert signal_to_difference_db(expected, network(mixture())) > 100


def test_the_published_size() -> None:
    with torch.device("meta"):
        network = Mdx23c(read_mdx23c_config(PUBLISHED))
    # 448 MB in float32, the size of MDX23C-8KFFT-InstVoc_HQ.ckpt
    assert sum(tensor.numel() for tensor in network.state_dict().values()) == 111_990_272
    spec = network.spec
    assert spec.stems == ("vocals", "instrumental")
    assert spec.chunking.chunk_samples == 261120
    assert spec.chunking.overlap_samples == 261120 * 3 // 4
    assert spec.chunking.fitted_length(1) == 261120
    assert spec.scaling is None


@pytest.mark.parametrize("num_samples", [1, 63, 64, 65, 479, 480, 481, 992])
def test_every_length_is_kept(num_samples: int) -> None:
    network = network_of(CASES["four_stems"])
    estimate = network(noise_by_name("short", 2, 2, num_samples))
    assert estimate.shape == (2, 4, 2, num_samples)
    assert estimate.isfinite().all()


def test_a_track_comes_out_in_its_own_length() -> None:
    stems = separate(
        network_of(CASES["four_stems"]), Mixture.from_array(noise_by_name("track", 2, 1501), 44100)
    )
    assert list(stems) == ["vocals", "bass", "drums", "other"]
    assert all(stem.shape == (2, 1501) for stem in stems.values())


def test_items_of_a_batch_do_not_influence_each_other_and_the_input_is_kept() -> None:
    network = network_of(CASES["four_stems"])
    mixtures = torch.stack([noise_by_name("a", 2, 480), torch.zeros(2, 480)])
    before = mixtures.clone()
    together = network(mixtures)
    assert torch.equal(mixtures, before)
    alone = torch.cat([network(item[None]) for item in mixtures])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("model", {"norm": "LayerNorm"}, "norm='LayerNorm'"),
        ("model", {"norm": "GroupNorm"}, "does not implement"),
        ("model", {"norm": "InstanceNorm2"}, "does not implement"),
        ("model", {"act": "silu"}, "act='silu'"),
        ("model", {"act": None}, "act=None"),
        ("model", {"scale": [2]}, "a list of 2 numbers"),
        ("model", {"num_channels": 10**12}, "num_channels=1000000000000"),
        ("model", {"num_heads": 8}, "the model argument 'num_heads'"),
        ("audio", {"n_fft": "8192"}, "n_fft='8192'"),
        ("audio", {"chunk_size": 1 << 60}, "chunk_size"),
        ("training", {"instruments": ["a", "../b"]}, "can be file names"),
    ],
)
def test_configurations_that_make_no_sense_are_refused(
    section: str, change: dict[str, object], message: str
) -> None:
    settings = copy.deepcopy(PUBLISHED)
    settings[section].update(change)
    with pytest.raises(CheckpointError, match=message):
        read_mdx23c_config(settings)


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("audio", {"dim_f": 4095}, "4095 bins do not divide by 128"),
        ("audio", {"dim_f": 8192}, "8192 bins of an FFT over 8192"),
        ("model", {"bottleneck_factor": 64}, "bottleneck factor 64"),
        ("model", {"growth": 4096}, "a layer would have"),
        ("model", {"scale": [8, 2]}, "frames are divided by 8, 5 times"),
    ],
)
def test_configurations_that_fit_no_network_are_refused(
    section: str, change: dict[str, object], message: str
) -> None:
    settings = copy.deepcopy(PUBLISHED)
    settings[section].update(change)
    config = read_mdx23c_config(settings)
    with pytest.raises(ValueError, match=message), torch.device("meta"):
        Mdx23c(config)
