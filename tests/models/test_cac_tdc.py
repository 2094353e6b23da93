"""The CaC-TDC U-Net: its authors' checkpoint on a real song, and their code on random weights."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from stemsplit.checkpoints.contents import read_tensors
from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.engine.mixture import Mixture
from stemsplit.errors import CheckpointError
from stemsplit.evaluate.metrics import sdr
from stemsplit.models.cac_tdc.adapter import adapt_cac_tdc
from stemsplit.models.cac_tdc.config import read_cac_tdc_config
from stemsplit.models.cac_tdc.model import CacTdc
from tests.golden import make_cac_tdc as golden_case
from tests.models.deterministic_weights import noise_by_name, values_by_name
from tests.models.loading import golden, loaded, separate

SHARED = Path(__file__).resolve().parents[3] / "shared"
CHECKPOINT = SHARED / "weights" / "cac_tdc_17_vocals_top3.pt"
FALCON = SHARED / "audio" / "falcon69.stem.mp4"


def small_network() -> CacTdc:
    """A network whose weights are those of the golden vectors."""
    config = read_cac_tdc_config(golden_case.SMALL)
    return loaded(lambda: CacTdc(config), published_tensors(CacTdc(config)), adapt_cac_tdc)


def published_tensors(network: CacTdc) -> dict[str, Tensor]:
    """Tensors by name in the authors' layout, with a batch norm behind each convolution."""
    tensors = {}
    for name, tensor in network.state_dict().items():
        layer, _, part = name.rpartition(".")
        two_dimensional = layer in ("first_conv.0", "final_conv.0") and part == "weight"
        shape = [*tensor.shape, 1] if two_dimensional else list(tensor.shape)
        tensors[name] = values_by_name(name, shape)
        if part == "bias" and layer != "final_conv.0":
            norm = f"{layer[:-5]}.bn" if layer.endswith(".conv") else f"{layer[:-1]}1"
            for statistic in ("weight", "bias", "running_mean", "running_var"):
                tensors[f"{norm}.{statistic}"] = values_by_name(f"{norm}.{statistic}", shape)
            tensors[f"{norm}.num_batches_tracked"] = torch.tensor(7)
    return tensors


def stem_of(path: Path, index: int) -> Tensor:
    """The audio [C, T] of one stream of a stem file."""
    with av.open(str(path)) as container:
        frames = container.decode(container.streams.audio[index])
        return torch.from_numpy(np.concatenate([frame.to_ndarray() for frame in frames], axis=-1))


@pytest.mark.slow
@pytest.mark.skipif(
    not (CHECKPOINT.exists() and FALCON.exists()), reason="the shared checkpoint is not here"
)
def test_the_authors_checkpoint_reaches_the_authors_quality_on_a_real_song() -> None:
    model = loaded(lambda: CacTdc(read_cac_tdc_config({})), read_tensors(CHECKPOINT), adapt_cac_tdc)
    vocals = separate(model, Mixture.from_file(FALCON))["vocals"]
    truth, mixture = stem_of(FALCON, 4), stem_of(FALCON, 0)
    assert sdr(truth, mixture) == pytest.approx(-7.1, abs=0.1)
    assert sdr(truth, vocals) >= 2.1  # the authors' own code: 2.18


def test_whole_tracks_equal_the_authors_code() -> None:
    mixture = golden_case.mixture()
    stem = separate(small_network(), Mixture.from_array(mixture, 44100))["vocals"]
    # Sums are formed in another order, since batch norms are folded: some 120 dB are seen.
    assert signal_to_difference_db(golden("cac_tdc")["stem"], stem) > 100


def test_the_paper_s_inference_rule_is_the_policy() -> None:
    spec = CacTdc(read_cac_tdc_config({})).spec
    assert spec.stems == ("vocals",)
    policy = spec.chunking
    # 64 frames every 1024 samples, of which 5000 samples are discarded on either side.
    assert policy.chunk_samples == 66560 - 2 * 5000
    assert policy.overlap_samples == 0
    assert policy.fitted_length(policy.chunk_samples) == policy.fitted_length(1) == 66560


@pytest.mark.parametrize("num_samples", [1, 31, 32, 33, 63, 64, 1000])
def test_every_length_is_kept(num_samples: int) -> None:
    estimate = small_network()(noise_by_name("short", 3, 2, num_samples))
    assert estimate.shape == (3, 1, 2, num_samples)
    assert estimate.isfinite().all()


def test_items_of_a_batch_do_not_influence_each_other_and_the_input_is_kept() -> None:
    network = small_network()
    mixtures = torch.stack([noise_by_name("a", 2, 500), torch.zeros(2, 500)])
    before = mixtures.clone()
    together = network(mixtures)
    assert torch.equal(mixtures, before)
    alone = torch.cat([network(mixture[None]) for mixture in mixtures])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"spec_type": "magnitude"}, "implements only spec_type='complex'"),
        ({"last_activation": "sigmoid"}, "implements only last_activation='identity'"),
        ({"internal_channels": 10**9}, "internal_channels=1000000000"),
        ({"target_name": "../x"}, "a name that can be a file name"),
        ({"n_blocks": "17"}, "a whole number from 3 to 31"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_cac_tdc_config(settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_blocks": 23}, "1024 bins cannot be halved 11 times"),
        ({"kernel_size_f": 4}, "has no middle"),
        ({"trim": 40_000}, "nothing is left"),
        ({"n_fft": 513, "hop_length": 512}, "an FFT over 513 samples"),
    ],
)
def test_settings_that_fit_no_network_are_refused(
    settings: dict[str, object], message: str
) -> None:
    config = read_cac_tdc_config(settings)
    with pytest.raises(ValueError, match=message), torch.device("meta"):
        CacTdc(config)


def test_tensors_that_do_not_fit_are_left_for_the_strict_loading_to_name() -> None:
    network = CacTdc(read_cac_tdc_config(golden_case.SMALL))
    tensors = published_tensors(network)
    tensors["mid_block.H.0.1.running_var"] = torch.ones(7)
    del tensors["downsampling.0.bn.bias"]
    tensors["9.running_var"] = torch.ones(24)
    adapted = adapt_cac_tdc(tensors, network.state_dict().keys())
    surplus = adapted.keys() - network.state_dict().keys()
    assert {"mid_block.H.0.1.running_var", "downsampling.0.bn.weight", "9.running_var"} <= surplus
