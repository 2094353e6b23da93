"""Whole tracks, as the engine streams them, against the references' own rules."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from stemsplit.device.runtime import choose_runtime
from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.engine.excerpt import Excerpt
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import SeparationOptions
from stemsplit.models.cac_tdc.config import read_cac_tdc_config
from stemsplit.models.cac_tdc.model import CacTdc
from stemsplit.models.demucs.config import DemucsV2Config, read_demucs_v2_config
from stemsplit.models.demucs.second_generation import DemucsV2
from stemsplit.models.mdx23c.config import read_mdx23c_config
from stemsplit.models.mdx23c.model import Mdx23c
from stemsplit.models.mdxnet.config import read_mdxnet_config
from stemsplit.models.mdxnet.model import MdxNet
from stemsplit.models.mdxnet.uvr import uvr_settings
from stemsplit.models.roformer.config import (
    read_bs_roformer_config,
    read_melband_roformer_config,
)
from stemsplit.models.roformer.model import BSRoFormer, MelBandRoFormer
from stemsplit.models.scnet.config import read_scnet_config
from stemsplit.models.scnet.model import SCNet
from stemsplit.models.spec import Model
from tests.engine.inference_rules import (
    community_rule,
    demucs_v2_rule,
    hann_rule,
    trim_rule,
)
from tests.engine.toy_models import STEMS, EdgeModel, GainModel, community_policy, model_of
from tests.engine.tracks import Track, noise, run
from tests.golden import make_cac_tdc, make_demucs_v2, make_mdx23c, make_mdxnet, make_scnet
from tests.models.deterministic_weights import fill_by_name, noise_by_name

pytestmark = pytest.mark.slow

# Both sides compute in float32, but sum weighted chunks in another order: 120 dB and more are seen.
REQUIRED_DB = 100.0


@given(
    chunk=st.integers(5, 120),
    num_overlaps=st.integers(1, 5),
    length=st.integers(1, 500),
    batch_size=st.sampled_from([1, 3]),
)
@settings(max_examples=50)
def test_tracks_of_any_length_are_cut_as_the_community_cuts_them(
    chunk: int, num_overlaps: int, length: int, batch_size: int
) -> None:
    model = EdgeModel(policy=community_policy(chunk, num_overlaps))
    audio = noise(length)
    stems = run(audio, model_of(model), batch_size=batch_size)
    expected = community_rule(model, audio.numpy(), chunk=chunk, num_overlaps=num_overlaps)
    ours = torch.stack([stems[stem] for stem in STEMS]).numpy()
    assert np.isfinite(ours).all()
    # Without overlap the reference has no weight at all where its fades meet, and is silent there.
    known = np.isfinite(expected)
    assert known.all() or num_overlaps == 1
    assert np.allclose(ours[known], expected[known], atol=1e-6)


@given(chunk=st.integers(1, 60), trim=st.integers(0, 40), length=st.integers(1, 300))
@settings(max_examples=40)
def test_chunks_side_by_side_are_heard_with_what_surrounds_them(
    chunk: int, trim: int, length: int
) -> None:
    policy = ChunkPolicy(
        chunk_samples=chunk,
        overlap_samples=0,
        context_samples=trim,
        tail="left",
        fixed_length=True,
    )
    model = EdgeModel(policy=policy)
    stems = run(noise(length), model_of(model))
    expected = trim_rule(model, noise(length).numpy(), chunk=chunk, trim=trim)
    assert np.allclose(torch.stack([stems[stem] for stem in STEMS]), expected, atol=1e-6)


@pytest.mark.parametrize("num_overlaps", [1, 2, 4])
@pytest.mark.parametrize("shifts", [0, 2])
@pytest.mark.parametrize("bounds", [(0, 1), (0, 700), (2990, 4100), (30_000, 30_011)])
def test_a_range_and_a_batch_are_equal_in_every_bit(
    bounds: tuple[int, int], shifts: int, num_overlaps: int
) -> None:
    audio, (first, last) = noise(30_011), bounds
    bag = model_of(EdgeModel(policy=community_policy(1000, num_overlaps)))
    options = SeparationOptions(shifts=shifts)
    part = Excerpt(start_seconds=first / 44100, end_seconds=last / 44100)
    whole = run(audio, bag, options=options)
    pieces = run(audio, bag, options=options, excerpt=part, batch_size=4)
    for stem in STEMS:
        assert torch.equal(pieces[stem], whole[stem][:, first:last])


@pytest.mark.parametrize("length", [0, 1, 9, 99, 100, 101, 500, 999, 1000, 1001, 1999, 2001])
@pytest.mark.parametrize("overlap", [None, 0.0, 0.001, 0.02, 0.5, 0.95])
def test_users_may_ask_for_any_overlap(length: int, overlap: float | None) -> None:
    model = GainModel(policy=community_policy(1000, 4))
    options = SeparationOptions(overlap=overlap, shifts=length % 2)
    stems = run(noise(length), model_of(model), options=options)
    assert torch.allclose(sum(stems.values()), noise(length), atol=1e-6)
    assert set(model.lengths) <= {1000}


def test_memory_does_not_grow_with_the_track() -> None:
    alive: weakref.WeakSet[Tensor] = weakref.WeakSet()
    counts: list[int] = []

    def play() -> Iterator[Tensor]:
        for _ in range(200):
            block = torch.full((2, 500), 0.1)
            alive.add(block)
            counts.append(len(alive))
            yield block

    model = GainModel(policy=community_policy(2000, 4))
    track = Track(
        Mixture("tape", 44100, ("FL", "FR"), play),
        model_of(model),
        choose_runtime(device="cpu", batch_size=1),
        SeparationOptions(),
    )
    assert sum(block.stems.shape[-1] for block in track.blocks()) == 100_000
    assert max(counts) < 20


def with_chunk(settings: dict[str, Any], chunk: int, num_overlaps: int) -> dict[str, Any]:
    audio = {**settings["audio"], "chunk_size": chunk}
    return {**settings, "audio": audio, "inference": {"num_overlap": num_overlaps}}


def roformer_settings(**model: Any) -> dict[str, Any]:
    model |= {"dim": 16, "depth": 1, "stereo": True, "heads": 2, "dim_head": 8, "num_stems": 1}
    return {
        "audio": {"sample_rate": 44100},
        "model": model,
        "training": {"instruments": ["vocals", "other"], "target_instrument": "vocals"},
    }


def community_network(family: str, chunk: int, num_overlaps: int) -> nn.Module:
    def changed(settings: dict[str, Any]) -> dict[str, Any]:
        return with_chunk(settings, chunk, num_overlaps)

    if family == "bs_roformer":
        return BSRoFormer(read_bs_roformer_config(changed(roformer_settings())))
    if family == "mel_band_roformer":
        return MelBandRoFormer(read_melband_roformer_config(changed(roformer_settings())))
    if family == "scnet":
        return SCNet(read_scnet_config(changed(make_scnet.CASES["scnet_ihf"]), masked=False))
    return Mdx23c(read_mdx23c_config(changed(make_mdx23c.CASES["two_stems"])))


def assert_parity(network: nn.Module, track: Tensor, expected: np.ndarray) -> None:
    """The network's own stems, whatever it leaves over, equal `expected` [S, C, T]."""
    model: Model = network  # type: ignore[assignment]
    stems = run(track, model_of(model))
    for stem, reference in zip(model.spec.stems, expected, strict=True):
        level = signal_to_difference_db(torch.from_numpy(reference), stems[stem])
        assert level > REQUIRED_DB, f"{stem}: {level:.1f} dB"


@pytest.mark.parametrize("family", ["bs_roformer", "mel_band_roformer", "scnet", "mdx23c"])
@pytest.mark.parametrize(
    ("num_samples", "num_overlaps"), [(12_000, 2), (8_013, 4), (4_801, 2), (3_001, 2), (900, 4)]
)
def test_the_community_s_networks_run_by_its_rule(
    family: str, num_samples: int, num_overlaps: int
) -> None:
    network = community_network(family, 4800, num_overlaps)
    fill_by_name(network)
    track = noise_by_name("track", 2, num_samples)
    expected = community_rule(network, track.numpy(), chunk=4800, num_overlaps=num_overlaps)
    assert_parity(network, track, expected)


@pytest.mark.parametrize("num_samples", [1, 1499, 4000])
def test_mdx_net_and_cac_tdc_run_by_the_trim_rule(num_samples: int) -> None:
    track = noise_by_name("track", 2, num_samples)
    mdxnet = MdxNet(read_mdxnet_config(make_mdxnet.SETTINGS))
    fill_by_name(mdxnet)
    chunk, trim = make_mdxnet.CHUNK_SAMPLES, make_mdxnet.TRIM
    assert_parity(mdxnet, track, trim_rule(mdxnet, track.numpy(), chunk=chunk, trim=trim))

    cac_tdc = CacTdc(
        read_cac_tdc_config(
            {
                "n_fft": make_cac_tdc.N_FFT,
                "hop_length": make_cac_tdc.HOP_LENGTH,
                "num_frame": make_cac_tdc.NUM_FRAMES,
                "trim": make_cac_tdc.TRIM,
                "n_blocks": make_cac_tdc.NUM_BLOCKS,
            }
        )
    )
    fill_by_name(cac_tdc)
    chunk, trim = make_cac_tdc.CHUNK_SAMPLES, make_cac_tdc.TRIM
    assert_parity(cac_tdc, track, trim_rule(cac_tdc, track.numpy(), chunk=chunk, trim=trim))


@given(
    chunk=st.integers(20, 120),
    trim=st.integers(1, 9),
    overlap=st.sampled_from([0.1, 0.25, 0.5, 0.75]),
    length=st.integers(1, 500),
    batch_size=st.sampled_from([1, 3]),
)
@settings(max_examples=50)
def test_tracks_of_any_length_are_blended_under_hann_windows(
    chunk: int, trim: int, overlap: float, length: int, batch_size: int
) -> None:
    policy = ChunkPolicy(
        chunk_samples=chunk,
        overlap_samples=chunk - int((1 - overlap) * chunk),
        margin_samples=trim,
        window="hann",
        tail="left",
        fixed_length=True,
    )
    model = EdgeModel(policy=policy)
    audio = noise(length)
    stems = run(audio, model_of(model), batch_size=batch_size)
    expected = hann_rule(model, audio.numpy(), chunk=chunk, trim=trim, overlap=overlap)
    assert np.allclose(torch.stack([stems[stem] for stem in STEMS]), expected, atol=1e-6)


@pytest.mark.parametrize("num_samples", [1, 431, 432, 433, 864, 4000])
def test_networks_that_uvr_knows_run_by_its_rule(num_samples: int) -> None:
    """Whole tracks, with what UVR does to spectrum and level; the rest is what is left over."""
    known = uvr_settings("a3cd63058945e777505c01d2507daf37")
    assert known is not None
    gain, overlap = 1.03, 0.25
    assert (known["compensate"], known["silent_bins"], known["hann_overlap"]) == (gain, 3, overlap)
    rule = {name: known[name] for name in ("compensate", "silent_bins", "hann_overlap")}
    network = MdxNet(read_mdxnet_config({**make_mdxnet.SETTINGS, **rule, "denoise": True}))
    fill_by_name(network)
    plain = MdxNet(read_mdxnet_config(make_mdxnet.SETTINGS))
    fill_by_name(plain)

    def uvr(heard: Tensor) -> Tensor:
        """Denoised, without the lowest bins, times the gain: around the network as published."""
        n_fft, hop_length = make_mdxnet.SETTINGS["n_fft"], make_mdxnet.SETTINGS["hop_length"]
        window = torch.hann_window(n_fft)
        num_heard = heard.shape[-1]

        def run_layers(sign: int) -> Tensor:
            bins = torch.stft(heard[0], n_fft, hop_length, window=window, return_complex=True)
            parts = torch.view_as_real(bins)[:, : make_mdxnet.SETTINGS["dim_f"]]  # [C, F, N, 2]
            maps = parts.permute(0, 3, 2, 1).flatten(0, 1)[None].clone()  # [1, 2C, N, F]
            maps[..., :3] = 0
            return plain._run_layers(sign * maps)[0]

        maps = 0.5 * (run_layers(1) - run_layers(-1))
        parts = maps.unflatten(0, (2, 2)).permute(0, 3, 2, 1)  # [C, F, N, 2]
        bins = torch.zeros(2, n_fft // 2 + 1, parts.shape[2], dtype=torch.complex64)
        bins[:, : parts.shape[1]] = torch.view_as_complex(parts.contiguous())
        stem = torch.istft(bins, n_fft, hop_length, window=window, length=num_heard)
        return gain * stem[None, None]

    track = noise_by_name("track", 2, num_samples)
    chunk, trim = make_mdxnet.READ_SAMPLES, make_mdxnet.TRIM
    expected = hann_rule(uvr, track.numpy(), chunk=chunk, trim=trim, overlap=overlap)
    assert_parity(network, track, expected)


def demucs_v2_valid_length(config: DemucsV2Config, num_samples: int) -> int:
    """The smallest length of input that leaves `num_samples` or more of output, found by trial.

    Each layer of the encoder must come out even, and each of the decoder loses context - 1 steps.
    """
    scale = 2 if config.resample else 1
    for num_read in range(num_samples, num_samples + 1_000_000):
        steps = scale * num_read
        heard = []
        for _ in range(config.depth):
            if steps < config.kernel_size or (steps - config.kernel_size) % config.stride:
                break
            steps = (steps - config.kernel_size) // config.stride + 1
            heard.append(steps)
        else:
            for _ in range(config.depth):
                steps = (steps - config.context) * config.stride + config.kernel_size
            if min(heard) >= config.context and steps >= scale * num_samples:
                return num_read
    raise AssertionError("no length fits")


@pytest.mark.parametrize("case", ["demucs", "demucs_deep"])
@pytest.mark.parametrize("num_samples", [1, 599, 601, 2000])
def test_demucs_v2_runs_by_its_own_rule(case: str, num_samples: int) -> None:
    network = DemucsV2(read_demucs_v2_config(make_demucs_v2.DEMUCS[case]))
    fill_by_name(network)
    track = noise_by_name("track", 2, num_samples)
    mono = track.mean(dim=0)
    mean, std = mono.mean(), mono.std(correction=int(num_samples > 1)) + 1e-8
    scaled = ((track - mean) / std).numpy()
    expected = demucs_v2_rule(
        network,
        scaled,
        chunk=600,
        valid_length=lambda samples: demucs_v2_valid_length(network.config, samples),
    )
    assert_parity(network, track, expected * std.numpy() + mean.numpy())


def test_demucs_v2_reads_as_much_as_it_needs() -> None:
    for case in make_demucs_v2.DEMUCS.values():
        network = DemucsV2(read_demucs_v2_config(case))
        for num_samples in (*range(1, 40), 599, 600):
            expected = demucs_v2_valid_length(network.config, num_samples)
            assert network.spec.chunking.fitted_length(num_samples) == expected
