"""A device whose memory is too small for the batch."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import Tensor

from stemsplit.device.batches import BatchLimit
from stemsplit.device.runtime import choose_runtime
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import SeparationOptions
from stemsplit.errors import DeviceMemoryError
from tests.engine.toy_models import EdgeModel, model_of
from tests.engine.tracks import Track, noise


class SmallDevice(EdgeModel):
    """Runs out of memory above `fits` chunks, in the words of a GPU or of a Mac."""

    def __init__(self, fits: int, error: RuntimeError) -> None:
        super().__init__()
        self._fits = fits
        self._error = error

    def __call__(self, mixture: Tensor) -> Tensor:
        if mixture.shape[0] > self._fits:
            raise self._error
        return super().__call__(mixture)


CUDA = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
MPS = RuntimeError("MPS backend out of memory (MPS allocated: 5 GB). Tried to allocate 1 GB")


def separate(model: EdgeModel, batch_size: int, num_tracks: int = 1) -> list[Tensor]:
    runtime = choose_runtime(device="cpu", batch_size=batch_size)
    results = []
    for _ in range(num_tracks):
        mixture = Mixture.from_array(noise(9000, num_channels=6), 44100)
        track = Track(mixture, model_of(model), runtime, SeparationOptions())
        results.append(torch.cat([block.stems for block in track.blocks()], dim=-1))
    return results


@pytest.mark.parametrize("error", [CUDA, MPS], ids=["cuda", "mps"])
@pytest.mark.parametrize("fits", [1, 3, 7])
def test_the_batch_is_halved_until_it_fits_and_no_bit_changes(
    fits: int, error: RuntimeError, caplog: pytest.LogCaptureFixture
) -> None:
    (expected,) = separate(EdgeModel(), batch_size=1)
    model = SmallDevice(fits, error)
    with caplog.at_level(logging.WARNING):
        first, second = separate(model, batch_size=8, num_tracks=2)
    assert torch.equal(first, expected)
    assert torch.equal(second, expected)
    halvings = {1: [8, 4, 2], 3: [8, 4], 7: [8]}[fits]
    # Once for the whole run: the second track begins with what fitted.
    assert [record.getMessage() for record in caplog.records] == [
        f"cpu ran out of memory with {n} chunks at once: going on with {n // 2}." for n in halvings
    ]
    assert max(model.batch_sizes) == halvings[-1] // 2


def test_a_single_chunk_that_does_not_fit_is_an_error_with_a_way_out() -> None:
    with pytest.raises(DeviceMemoryError, match=r"memory of cpu is too small .*`segment=4`"):
        separate(SmallDevice(0, CUDA), batch_size=4)
    limit = BatchLimit(torch.device("cuda:1"))

    def fail(_batch: Tensor) -> Tensor:
        raise CUDA

    with pytest.raises(DeviceMemoryError, match=r"memory of cuda:1 .*or close other programs"):
        limit.call(fail, torch.zeros(1, 2), Tensor.cpu)


def test_other_errors_of_the_network_are_not_mistaken_for_it() -> None:
    model = SmallDevice(0, RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        separate(model, batch_size=4)


def test_a_batch_that_is_smaller_than_the_limit_halves_itself() -> None:
    limit = BatchLimit(torch.device("cpu"))
    sizes = []

    def network(batch: Tensor) -> Tensor:
        if len(batch) > 1:
            raise CUDA
        sizes.append(len(batch))
        return batch * 2

    assert torch.equal(limit.call(network, torch.ones(3, 1), Tensor.cpu), torch.full((3, 1), 2.0))
    assert sizes == [1, 1, 1]
