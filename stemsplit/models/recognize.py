"""Which network a checkpoint is for, where it does not say so itself.

It follows from what is beside the weights, which is a configuration file that was written for one
family, or from the names of the tensors, where a family has published no more than those. What
fits no family, or more than one, is refused rather than guessed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from stemsplit.errors import CheckpointError
from stemsplit.models.mdxnet.graph import GraphNode, read_graph
from stemsplit.models.mdxnet.uvr import uvr_settings
from stemsplit.quoting import listed

# What the section `model` of a configuration has for this family and for no other.
_MARKS: Mapping[str, Collection[str]] = {
    "bs_roformer": ("freqs_per_bands",),
    "mel_band_roformer": ("num_bands",),
    "scnet": ("band_SR",),
    "mdx23c": ("num_subbands",),
}
_CONFIGURATION_HINT = (
    "Put its configuration beside it: a .yaml with the same name, or one called config_*.yaml."
)
_RELEASED_STEMS = ("drums", "bass", "other", "vocals")
_STEM_IN_NAME = re.compile(r"(?:^|[^a-z])(vocals|drums|bass|other)(?=$|[^a-z])")
_TASNET_BLOCK = re.compile(r"separator\.network\.2\.0\.([0-9]{1,2})\.net\.0\.weight")


@dataclass(frozen=True, kw_only=True, slots=True)
class Recognized:
    """What `build_model` needs to know."""

    class_name: str
    kwargs: Mapping[str, object]
    tensors: Mapping[str, Tensor]


def recognize(
    settings: Mapping[str, object] | None, tensors: Mapping[str, Tensor], *, file_name: str
) -> Recognized:
    """The network of `tensors`, given what the configuration beside them says, None without one.

    Raises:
        CheckpointError: it is of no family that stemsplit has, or could be of several.
    """
    if settings is not None:
        return Recognized(
            class_name=_family_of_settings(settings, file_name), kwargs=settings, tensors=tensors
        )
    if "first_conv.0.weight" in tensors and "encoders.0.H.0.0.weight" in tensors:
        kwargs: dict[str, object] = {"target_name": _stem_in_name(file_name)}
        return Recognized(class_name="cac_tdc", kwargs=kwargs, tensors=tensors)
    if "lstm.lstm.weight_ih_l0" in tensors and "encoder.0.0.weight" in tensors:
        kwargs = {
            "sources": list(_RELEASED_STEMS),
            "channels": int(tensors["encoder.0.0.weight"].shape[0]),
        }
        return Recognized(class_name="demucs.model.Demucs", kwargs=kwargs, tensors=tensors)
    blocks = [match[1] for name in tensors if (match := _TASNET_BLOCK.fullmatch(name))]
    if blocks:
        kwargs = {"sources": list(_RELEASED_STEMS), "X": len(blocks)}
        return Recognized(class_name="demucs.tasnet.ConvTasNet", kwargs=kwargs, tensors=tensors)
    raise CheckpointError(
        f"{file_name} does not say which network it is for.", hint=_CONFIGURATION_HINT
    )


def recognize_graph(
    nodes: Sequence[GraphNode],
    input_shape: Sequence[int | None],
    *,
    fingerprint: str,
    settings: Mapping[str, object] | None,
) -> Recognized:
    """The network of an ONNX file, whose operations tell all but the `settings`.

    Without settings the file must be one that the UVR community knows by its `fingerprint`.

    Raises:
        CheckpointError: neither, or this is not a network that stemsplit has.
    """
    found, tensors = read_graph(nodes, input_shape)
    known = settings or uvr_settings(fingerprint)
    if not known:
        raise CheckpointError(
            f"The ONNX file is an MDX-Net, but nothing is known about its stem and its FFT: "
            f"{fingerprint} is not among the fingerprints that the UVR community has published.",
            hint="Put a .yaml with the same name beside it, with target_name and n_fft.",
        )
    return Recognized(class_name="mdxnet", kwargs={**known, **found}, tensors=tensors)


def _family_of_settings(settings: Mapping[str, object], file_name: str) -> str:
    model = settings.get("model")
    if "targets" in settings and "separator" in settings:
        return "openunmix"
    names = model.keys() if isinstance(model, Mapping) else ()
    families = [family for family, marks in _MARKS.items() if any(mark in names for mark in marks)]
    if len(families) == 1:
        return families[0]
    rules = "; ".join(f"{family} by {', '.join(marks)}" for family, marks in _MARKS.items())
    problem = f"fits {' and '.join(families)}" if families else "fits no family that stemsplit has"
    raise CheckpointError(
        f"The configuration of {file_name} {problem}: its section 'model' has "
        f"{listed(names) or 'nothing'}.",
        hint=f"Families are told apart by arguments of the network: {rules}. If the file relies on "
        "a default, write that argument into it.",
    )


def _stem_in_name(file_name: str) -> str:
    stems = set(_STEM_IN_NAME.findall(file_name.lower()))
    if len(stems) != 1:
        raise CheckpointError(
            f"{file_name} is a CaC-TDC network, which does not say which stem it is for.",
            hint="Have the stem in the file's name: vocals, drums, bass or other.",
        )
    return str(stems.pop())
