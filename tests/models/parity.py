"""How near our networks come to the reference's with the same weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from stemsplit.models.registry import build_model
from tests.models.random_models import ReferenceModel, class_name

# Sums are formed in another order here and there, which costs the last bits of float32: 110 dB and
# more are seen. A wrong epsilon, padding or branch shows up below 80 dB.
REQUIRED_DB = 100.0


def build(reference: ReferenceModel) -> Any:
    """Our network with the reference's arguments and weights."""
    args, kwargs = reference._init_args_kwargs
    return build_model(class_name(reference), args, kwargs, reference.state_dict())


def noise(*shape: int, seed: int = 0) -> Tensor:
    """White noise of unit deviation with a little offset, always the same for a seed."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) + 0.1


def agreement_db(reference: Tensor, ours: Tensor) -> float:
    """Signal-to-difference ratio; infinite for equal tensors."""
    assert reference.shape == ours.shape
    difference = (reference - ours).double().square().sum()
    return float(10 * torch.log10(reference.double().square().sum() / difference))


def network_agreement_db(reference: ReferenceModel, mixture: Tensor) -> float:
    """`agreement_db` of the reference network's output and ours."""
    with torch.no_grad():
        expected = reference(mixture)
    return agreement_db(expected, build(reference)(mixture))
