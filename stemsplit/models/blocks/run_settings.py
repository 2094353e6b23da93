"""The configuration files of the community's training software, which lie beside many checkpoints.

They are YAML files with the sections `audio`, `model`, `training` and `inference`. `model` holds
the constructor arguments of the network; the others say, among much that matters only to training,
how the network is run. They come from strangers: nothing in them is trusted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.errors import CheckpointError
from stemsplit.models.blocks.arguments import Arguments
from stemsplit.models.spec import InputScaling, ModelSpec, counterpart_of
from stemsplit.quoting import quoted

_MAX_CHUNK_SECONDS = 600
_MAX_OVERLAPS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSettings:
    """How the network wants to be run."""

    stems: tuple[str, ...]
    """In lower case, as stems are called everywhere else. A network that was trained for one
    target has that stem only, whatever else was in its training data."""
    residual_stem: str | None
    sample_rate: int
    chunking: ChunkPolicy
    scaling: InputScaling | None

    def spec(self, *, family: str, num_channels: int, paper: str) -> ModelSpec:
        """What a network of this family declares."""
        return ModelSpec(
            family=family,
            stems=self.stems,
            residual_stem=self.residual_stem,
            sample_rate=self.sample_rate,
            num_channels=num_channels,
            chunking=self.chunking,
            scaling=self.scaling,
            paper=paper,
        )


def read_run_settings(family: str, settings: Mapping[str, object]) -> RunSettings:
    """What a configuration file says outside its section `model`.

    Raises:
        CheckpointError: a value is missing, invalid or absurdly large.
    """
    stems, residual_stem = _read_stems(family, _section(family, settings, "training"))
    audio = _section(family, settings, "audio")
    inference = _section(family, settings, "inference") if "inference" in settings else {}
    values = {
        "sample_rate": audio.get("sample_rate"),
        "chunk_size": inference.get("chunk_size", audio.get("chunk_size")),
        **{name: inference[name] for name in ("num_overlap", "normalize") if name in inference},
    }
    arguments = Arguments(family, tuple(values), (), values)
    sample_rate = arguments.integer("sample_rate", 0, low=1000, high=768_000)
    chunk_samples = arguments.integer(
        "chunk_size", 0, low=16, high=_MAX_CHUNK_SECONDS * sample_rate
    )
    num_overlaps = arguments.integer("num_overlap", 2, low=1, high=_MAX_OVERLAPS)
    return RunSettings(
        stems=stems,
        residual_stem=residual_stem,
        sample_rate=sample_rate,
        chunking=ChunkPolicy(
            chunk_samples=chunk_samples,
            overlap_samples=chunk_samples - max(1, chunk_samples // num_overlaps),
            window="fade",
            border="reflect",
            tail="reflect",
            fixed_length=True,
        ),
        scaling=InputScaling() if arguments.flag("normalize", False) else None,
    )


def _read_stems(family: str, training: Mapping[str, object]) -> tuple[tuple[str, ...], str | None]:
    """The stems that the network makes, and what is left of its training data, if that is one."""
    target = training.get("target_instrument")
    instruments = training.get("instruments")
    values = {
        "instruments": _in_lower_case(instruments),
        "target_instrument": _in_lower_case([target]),
    }
    arguments = Arguments(family, tuple(values), (), values)
    if target is None:
        stems = arguments.stems("instruments")
        return stems, counterpart_of(stems[0]) if len(stems) == 1 else None
    (stem,) = arguments.stems("target_instrument")
    known = arguments.stems("instruments") if instruments is not None else ()
    others = [other for other in known if other != stem]
    if len(others) > 1:
        return (stem,), None
    return (stem,), others[0] if others else counterpart_of(stem)


def _in_lower_case(stems: object) -> object:
    if not isinstance(stems, list | tuple):
        return stems
    return [stem.lower() if isinstance(stem, str) else stem for stem in stems]


def model_arguments(
    family: str, settings: Mapping[str, object], signature: Collection[str]
) -> Arguments:
    """The constructor arguments of the network, in the section `model`.

    An argument that is not in the `signature` is refused, since it may change the network: the
    software that the file was written for would not have accepted it either.

    Raises:
        CheckpointError: there is no such section, or it has an argument that is not known.
    """
    model = _section(family, settings, "model")
    unknown = [name for name in model if name not in signature]
    if unknown:
        raise CheckpointError(
            f"The configuration has the model argument {quoted(unknown[0])}, which the "
            f"{family} of stemsplit does not have.",
            hint="Use another checkpoint, or the software that this one was made with.",
        )
    return Arguments(family, tuple(signature), (), model)


def _section(family: str, settings: Mapping[str, object], name: str) -> Mapping[str, object]:
    section = settings.get(name)
    if not isinstance(section, Mapping):
        raise CheckpointError(
            f"The configuration of the {family} checkpoint has no section {quoted(name)}.",
            hint="It is damaged, or belongs to other software; fetch it again.",
        )
    return section
