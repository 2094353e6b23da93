"""Matrix products through oneDNN, with what follows them fused in.

torch sends float32 products to MKL, which reached 80 GFLOP/s on one core of an AMD EPYC where
oneDNN reached 200; and a fused activation or sum saves a pass over memory. The operators are those
that torch's own compiler emits on a CPU. They are not public, so nothing here is used before
`models.fast.accelerate` has seen it agree with the plain network.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_TILE_VALUES = 1 << 20
_TYPICAL_ROWS = 2048  # what packing optimises for; any number of rows works


def are_available() -> bool:
    """Whether this build of torch has the operators at all."""
    return torch._C._has_mkldnn and all(
        hasattr(torch.ops.mkldnn, name)
        for name in ("_linear_pointwise", "_reorder_linear_weight", "_convolution_pointwise")
    )


class Product:
    """x [..., I] -> x @ weight.T + bias [..., O], in `dtype`, which x must have.

    `weight` [O, I] is copied into oneDNN's own layout.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor | None = None, *, dtype: torch.dtype = torch.float32
    ) -> None:
        plain = weight.detach().to(dtype).contiguous()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(plain, _TYPICAL_ROWS)
        self._bias = None if bias is None else bias.detach().to(dtype)

    def __call__(self, x: Tensor) -> Tensor:
        return multiply(x, self._weight, self._bias)

    def gelu(self, x: Tensor) -> Tensor:
        """The product, and then GELU in its exact form."""
        return self._unary(x, "gelu", "none")

    def sigmoid(self, x: Tensor) -> Tensor:
        """The product, and then the logistic function."""
        return self._unary(x, "sigmoid", "")

    def times(self, x: Tensor, other: Tensor) -> Tensor:
        """The product, multiplied by `other` [..., O]."""
        return self._binary(x, other, "mul")

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """The product, added to `other` [..., O]."""
        return self._binary(x, other, "add")

    def _unary(self, x: Tensor, name: str, algorithm: str) -> Tensor:
        y: Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self._weight, self._bias, name, [], algorithm
        )
        return y

    def _binary(self, x: Tensor, other: Tensor, name: str) -> Tensor:
        y: Tensor = torch.ops.mkldnn._linear_pointwise.binary(
            x, other, self._weight, self._bias, name
        )
        return y


class FastLinear(nn.Module):
    """What an `nn.Linear` computes."""

    def __init__(self, plain: nn.Linear) -> None:
        super().__init__()
        self._product = Product(plain.weight, plain.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self._product(x)


class GatedProduct:
    """The GLU of a product, one half times the logistic function of the other, in place.

    `weight` [2 O, O] and `bias` [2 O] hold the values first, then the gates, as `torch.nn.GLU`
    expects.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        values, gates = weight.chunk(2)
        values_bias, gates_bias = bias.chunk(2)
        self._values = Product(values, values_bias)
        self._gates = Product(gates, gates_bias)

    def __call__(self, x: Tensor) -> Tensor:
        """Overwrites contiguous x [..., O] piece by piece: new memory would take most of the time.

        What is returned is x.
        """
        for rows in tiles(x):
            rows.copy_(self._values.times(rows, self._gates.sigmoid(rows)))
        return x


def tiles(x: Tensor, *, width: int | None = None) -> tuple[Tensor, ...]:
    """Views [rows, D] of x [..., D], cut such that what is made of one stays in the cache.

    With `width`, cut where a tensor of so many features is cut.
    """
    return torch.split(x.view(-1, x.shape[-1]), max(1, _TILE_VALUES // (width or x.shape[-1])))


def multiply(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [..., I] @ weight.T [I, O] + bias: for a `weight` that was computed, not loaded."""
    y: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return y
