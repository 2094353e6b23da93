"""Tensors of ResUNetDecouple+ as its authors' program saves them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from tests.golden.make_resunet import WIDTHS, published

N_FFT = 512

Shapes = Iterator[tuple[str, tuple[int, ...]]]

FULL_SIZE = {
    "ResUNet143_Subbandtime": (32, 64, 128, 256, 384, 384),
    "MobileNet_Subbandtime": (32, 64, 64, 64, 64, 64),
}


def layout(model_type: str, widths: Sequence[int] = WIDTHS, *, num_stems: int = 1) -> Shapes:
    """Names and shapes of a network that hears two channels in four sub-bands."""
    bins, mobile = N_FFT // 2 + 1, model_type.startswith("Mobile")
    yield "pqmf.ana_conv_filter.weight", (4, 1, 64)
    yield "pqmf.syn_conv_filter.weight", (4, 4, 16)
    for part in ("real", "imag"):
        yield f"stft.conv_{part}.weight", (bins, 1, N_FFT)
        yield f"istft.conv_{part}.weight", (N_FFT, N_FFT, 1)
    yield "istft.ola_window", (N_FFT,)
    yield from _norm("bn0", bins)
    inputs = (8, *widths)
    for number, (outer, inner) in enumerate(zip(inputs, widths, strict=False), 1):
        yield from _block(f"encoder_block{number}.", outer, inner, mobile, "conv_block")
    for letter in ("",) if mobile else "abcd":
        yield from _block(f"conv_block7{letter}.", widths[-1], widths[-1], mobile, "")
    for number in range(1, 7):
        width, deeper = widths[6 - number], widths[min(7 - number, 5)]
        name, factors = f"decoder_block{number}.", (1 if number == 1 else 2, 2)
        yield from _norm(f"{name}bn1", deeper)
        kernel = (width, deeper, 1, 1) if mobile else (deeper, width, *factors)
        yield f"{name}conv1.weight", kernel
        yield from _block(name, 2 * width, width, mobile, "conv_block2", first=2)
    yield from _block("after_conv_block1.", widths[0], widths[0], mobile, "")
    yield "after_conv2.weight", (32 * num_stems, widths[0], 1, 1)
    yield "after_conv2.bias", (32 * num_stems,)


def tensors(
    model_type: str, widths: Sequence[int] = WIDTHS, *, num_stems: int = 1
) -> dict[str, Tensor]:
    """The tensors of a narrow network, or of one with other widths."""
    made = {
        name: published(name, shape) if shape else torch.tensor(7)
        for name, shape in layout(model_type, widths, num_stems=num_stems)
    }
    made["istft.ola_window"] = torch.hann_window(N_FFT).square()
    return made


def file_of(model_type: str, widths: Sequence[int] = WIDTHS) -> bytes:
    """The file of such a network."""
    buffer = io.BytesIO()
    torch.save({"step": 500_000, "model": tensors(model_type, widths)}, buffer)
    return buffer.getvalue()


def _block(
    name: str, inputs: int, width: int, mobile: bool, own_name: str, *, first: int = 1
) -> Shapes:
    if mobile:
        inner = f"{name}{own_name}." if own_name else name
        yield from _separable(inner, inputs, width)
        return
    for number in range(first, first + 4):
        yield from _plain(f"{name}conv_block{number}.", inputs if number == first else width, width)


def _plain(name: str, inputs: int, width: int) -> Shapes:
    yield from _norm(f"{name}bn1", inputs)
    yield from _norm(f"{name}bn2", width)
    yield f"{name}conv1.weight", (width, inputs, 3, 3)
    yield f"{name}conv2.weight", (width, width, 3, 3)
    yield from _shortcut(name, inputs, width)


def _separable(name: str, inputs: int, width: int) -> Shapes:
    for unit, heard in ((1, inputs), (2, width)):
        yield f"{name}conv{unit}a.weight", (width, heard, 1, 1)
        yield f"{name}conv{unit}b.weight", (width, 1, 3, 3)
        yield f"{name}conv{unit}c.weight", (width, width, 1, 1)
        for letter in "abc":
            yield from _norm(f"{name}bn{unit}{letter}", heard if letter == "a" else width)
    yield from _shortcut(name, inputs, width)


def _shortcut(name: str, inputs: int, width: int) -> Shapes:
    if inputs != width:
        yield f"{name}shortcut.weight", (width, inputs, 1, 1)
        yield f"{name}shortcut.bias", (width,)


def _norm(name: str, width: int) -> Shapes:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", (width,)
    yield f"{name}.num_batches_tracked", ()
