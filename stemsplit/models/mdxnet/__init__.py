"""MDX-Net: TFC-TDF-U-Net v2, one network per stem. Kim et al. (2021), arXiv:2111.12203."""

from __future__ import annotations

from stemsplit.models.family import Family
from stemsplit.models.mdxnet.adapter import adapt_mdxnet
from stemsplit.models.mdxnet.config import read_mdxnet_config
from stemsplit.models.mdxnet.folder import kuielab_folder
from stemsplit.models.mdxnet.graph import recognise_graph
from stemsplit.models.mdxnet.model import MdxNet

FAMILIES = (
    Family(
        name="mdxnet",
        build=lambda given: MdxNet(read_mdxnet_config(given.kwargs)),
        adapt=lambda tensors, network: adapt_mdxnet(tensors, network.state_dict().keys()),
        folder=kuielab_folder,
        graph=recognise_graph,
    ),
)
