"""Layers that are made anew for each stem, of what the network knows of it.

Samuel, Ganeshan, Naradowsky (2020), arXiv:2002.07016, section 2.2. Each layer has a small network
of its own that makes its weights of the stem's features [S, E]. Maps are [B, S, D, N].
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.metatasnet.config import MetaTasNetConfig

_NUM_GROUPS = 8
_EPSILON = 1e-8  # the networks were trained with it


class _Made(nn.Module):
    def __init__(self, config: MetaTasNetConfig) -> None:
        super().__init__()
        self.bottleneck = nn.Linear(config.stem_features, config.layer_features)


class StemProduct(_Made):
    """[B, S, D, N] -> [B, S, D', N]: a product for each step."""

    def __init__(self, config: MetaTasNetConfig, num_in: int, num_out: int) -> None:
        super().__init__(config)
        self.kernel = nn.Linear(config.layer_features, num_out * num_in)
        self._shape = (num_out, num_in)

    def forward(self, stems: Tensor, x: Tensor) -> Tensor:
        return self.made(stems) @ x

    def made(self, stems: Tensor) -> Tensor:
        """The matrices [S, D', D]."""
        return torch.unflatten(self.kernel(self.bottleneck(stems)), 1, self._shape)


class StemConvolution(_Made):
    """[B, S, D, N] -> the same: three steps of one feature, `dilation` apart."""

    def __init__(self, config: MetaTasNetConfig, num_channels: int, dilation: int) -> None:
        super().__init__(config)
        self.kernel = nn.Linear(config.layer_features, num_channels * 3)
        self._dilation = dilation

    def forward(self, stems: Tensor, x: Tensor) -> Tensor:
        kernel = self.kernel(self.bottleneck(stems)).reshape(-1, 1, 3)  # [S * D, 1, 3]
        y = F.conv1d(
            x.flatten(1, 2),
            kernel,
            padding=self._dilation,
            dilation=self._dilation,
            groups=len(kernel),
        )
        return y.view_as(x)


class StemNorm(_Made):
    """[B, S, D, N] -> the same, each eighth of a stem's features with mean 0 and deviation 1."""

    def __init__(self, config: MetaTasNetConfig, num_channels: int) -> None:
        super().__init__(config)
        self.affine = nn.Linear(config.layer_features, 2 * num_channels)

    def forward(self, stems: Tensor, x: Tensor) -> Tensor:
        gain, offset = self.made(stems)
        groups = _NUM_GROUPS * len(stems)
        y = F.group_norm(x.flatten(1, 2), groups, gain.flatten(), offset.flatten(), _EPSILON)
        return y.view_as(x)

    def made(self, stems: Tensor) -> tuple[Tensor, Tensor]:
        """Gains and offsets [S, D]."""
        gain, offset = self.affine(self.bottleneck(stems)).chunk(2, dim=1)
        return gain, offset

    def gains_for(self, stems: Tensor, moments: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """What features are multiplied by, and what is added then [B, S, D].

        `moments`: variance and mean of each feature [B, S, D] over all steps.
        """
        gain, offset = self.made(stems)
        variances, means = (torch.unflatten(each, 2, (_NUM_GROUPS, -1)) for each in moments)
        between, mean = torch.var_mean(means, dim=3, correction=0, keepdim=True)
        variance = variances.mean(dim=3, keepdim=True) + between  # [B, S, 8, 1]
        scale = torch.rsqrt(variance + _EPSILON)
        factors = gain * scale.expand_as(means).flatten(2)
        return factors, offset - factors * mean.expand_as(means).flatten(2)


class MadeBlock(nn.Module):
    """[B, S, D, N] -> what is added to it, and what is added to the sum of all blocks."""

    def __init__(self, config: MetaTasNetConfig, dilation: int) -> None:
        super().__init__()
        outer, inner = config.bottleneck_channels, config.block_channels
        self.conv1d = StemProduct(config, outer, inner)
        self.prelu_1 = nn.PReLU()
        self.norm_1 = StemNorm(config, inner)
        self.dconv1d = StemConvolution(config, inner, dilation)
        self.prelu_2 = nn.PReLU()
        self.norm_2 = StemNorm(config, inner)
        self.res_out = StemProduct(config, inner, outer)
        self.skip_out = StemProduct(config, inner, outer)

    def forward(self, stems: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.norm_1(stems, self.prelu_1(self.conv1d(stems, x)))
        x = self.norm_2(stems, self.prelu_2(self.dconv1d(stems, x)))
        return self.res_out(stems, x), self.skip_out(stems, x)


class StemMasker(nn.Module):
    """Features [B, D, N], and those of each stem so far -> how much of each is which stem's.

    The latter are [B, S, D / 2, N] or None, the masks [B, S, D, N].
    """

    def __init__(self, config: MetaTasNetConfig, num_in: int, num_out: int) -> None:
        super().__init__()
        width = config.bottleneck_channels
        self.prelu_1 = nn.PReLU()
        self.norm_1 = StemNorm(config, num_in)
        self.in_conv = StemProduct(config, num_in, width)
        self.prelu_2 = nn.PReLU()
        self.norm_2 = StemNorm(config, width)
        self.tcn = nn.ModuleList(
            MadeBlock(config, 1 << index)
            for _ in range(config.num_repeats)
            for index in range(config.num_blocks)
        )
        self.prelu_3 = nn.PReLU()
        self.norm_3 = StemNorm(config, width)
        self.mask_output = StemProduct(config, width, num_out)
        self.prelu_4 = nn.PReLU()
        self.norm_4 = StemNorm(config, num_out)

    def forward(self, stems: Tensor, features: Tensor, before: Tensor | None) -> Tensor:
        x = self.norm_2(stems, self.prelu_2(self._enter(stems, features, before)))
        total = torch.zeros_like(x)
        for block in self.tcn:
            residual, skip = block(stems, x)
            x = x + residual
            total += skip
        # The largest of all maps: none of them is kept longer than the next step needs it.
        x = self.prelu_4(self.mask_output(stems, self.norm_3(stems, self.prelu_3(total))))
        x = self.norm_4(stems, x)
        return torch.softmax(x, dim=1)

    def _enter(self, stems: Tensor, features: Tensor, before: Tensor | None) -> Tensor:
        """`in_conv` of `norm_1` of `prelu_1` of all features, as [B, S, D', N].

        Of the mixture's, which all stems hear, no copy is made for each of them: norms are folded
        into the products.
        """
        features = self.prelu_1(features)
        shared_moments = (each[:, None].expand(-1, len(stems), -1) for each in _moments(features))
        moments = [tuple(shared_moments)]
        if before is not None:
            before = self.prelu_1(before)
            moments.append(_moments(before))
        variance, mean = (torch.cat(each, dim=2) for each in zip(*moments, strict=True))
        factors, offsets = self.norm_1.gains_for(stems, (variance, mean))  # [B, S, D]
        kernel = self.in_conv.made(stems)  # [S, D', D]
        constant = kernel @ offsets[..., None]  # [B, S, D', 1]
        kernel = kernel * factors[:, :, None]  # [B, S, D', D]
        num_shared = features.shape[1]
        shared = kernel[..., :num_shared].flatten(1, 2) @ features  # [B, S * D', N]
        entered = torch.unflatten(shared, 1, (len(stems), -1)) + constant
        return entered if before is None else entered + kernel[..., num_shared:] @ before


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Variance and mean of features [..., N] over all steps."""
    variance, mean = torch.var_mean(x.float(), dim=-1, correction=0)
    return variance, mean
