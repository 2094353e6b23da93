"""Band-Split RNN: one network per stem, a complex mask. Luo and Yu (2022), arXiv:2209.15174."""

from __future__ import annotations

from torch import Tensor, nn

from stemsplit.models.bandsplit_rnn.config import read_bandsplit_rnn_config
from stemsplit.models.bandsplit_rnn.folder import bandsplit_rnn_folder
from stemsplit.models.bandsplit_rnn.model import BandSplitRnn
from stemsplit.models.family import Family, Tensors

_NETWORK = "model."


def _adapt(tensors: Tensors, network: nn.Module) -> dict[str, Tensor]:  # noqa: ARG001
    """Of a training program's checkpoint, the network's; beside it are the transform's windows."""
    own = {
        name.removeprefix(_NETWORK): tensor
        for name, tensor in tensors.items()
        if name.startswith(_NETWORK)
    }
    return own or dict(tensors)


FAMILIES = (
    Family(
        name="bandsplit_rnn",
        build=lambda given: BandSplitRnn(read_bandsplit_rnn_config(given.kwargs)),
        adapt=_adapt,
        marks=("bandsplits",),
        folder=bandsplit_rnn_folder,
    ),
)
