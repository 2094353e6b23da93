"""From the files of Open-Unmix, one for each stem, to the tensors of one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from stemsplit.errors import CheckpointError
from stemsplit.models.openunmix.model import OpenUnmix
from stemsplit.quoting import quoted

# Not of the network: the spectrogram's window and the sample rate, which early versions saved.
_LEFTOVERS = frozenset({"sample_rate", "stft.window", "transform.0.window"})
_TRAINING_COUNTER = "num_batches_tracked"


def merge_networks(
    files: Mapping[str, Mapping[str, Tensor]], *, stems: Sequence[str]
) -> dict[str, Tensor]:
    """The tensors of `OpenUnmix`, given those of each stem's file under their published names.

    `stems` are the model's, in order. Files of other stems are left out, and so are tensors that
    are known to be of no use; any other surplus tensor stays, for the strict loading to refuse.

    Raises:
        CheckpointError: a stem has no file.
    """
    missing = [stem for stem in stems if stem not in files]
    if missing:
        raise CheckpointError(
            f"The Open-Unmix checkpoint has no file for the stem {quoted(missing[0])}.",
            hint="All its networks are needed: the filter behind them weighs one against another.",
        )
    return {
        f"networks.{index}.{name}": tensor
        for index, stem in enumerate(stems)
        for name, tensor in files[stem].items()
        if name not in _LEFTOVERS and not name.endswith(_TRAINING_COUNTER)
    }


def adapt_openunmix(tensors: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """The tensors of all files, which are called `{stem}.{name in the stem's file}`."""
    assert isinstance(network, OpenUnmix)
    files = {
        stem: {
            name.removeprefix(f"{stem}."): tensor
            for name, tensor in tensors.items()
            if name.startswith(f"{stem}.")
        }
        for stem in network.spec.stems
    }
    return merge_networks(
        {stem: file for stem, file in files.items() if file}, stems=network.spec.stems
    )
