"""A voice that is wanted, as models get to hear it before they look for it in a mixture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from stemsplit.audio.resample import resample_blocks
from stemsplit.engine.bag import Bag
from stemsplit.engine.chain import Chain
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.voice_activity import FLOOR_DBFS, VoiceActivity, voice_activity
from stemsplit.errors import AudioReadError, UsageError
from stemsplit.hub.catalog import Task
from stemsplit.models.spec import Extractor, Model

LONGEST_SECONDS = 60
"""What comes later in a reference is not heard: a minute of a voice tells it from others."""

_SHORTEST_SECONDS = 2.0
_LEAST_CONTRAST_DB = 12.0
"""Studio speech in white noise at 8 dB; without noise it has 32 dB and more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """The beginning of a recording of one voice: samples [C, T], full scale ±1.

    `warnings` say why the voice in it may not be known again.
    """

    samples: Tensor
    sample_rate: int
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, recording: Mixture) -> Reference:
        """Raises AudioReadError if the recording cannot be read, or there is nothing in it."""
        longest = LONGEST_SECONDS * recording.sample_rate
        samples = torch.cat(
            list(_first(recording.open_blocks(), longest)) or [torch.zeros(1, 0)], dim=-1
        )
        voice = voice_activity(samples, recording.sample_rate)
        if voice.level_dbfs < FLOOR_DBFS:
            is_empty = not samples.shape[-1]
            raise AudioReadError(
                f"The reference {recording.name} is {'empty' if is_empty else 'silent'}.",
                hint="Give a recording of the wanted voice alone.",
            )
        return cls(
            samples=samples,
            sample_rate=recording.sample_rate,
            warnings=tuple(_warnings(voice, recording.name)),
        )

    @classmethod
    def of_file(cls, path: Path) -> Reference:
        return cls.of(Mixture.from_file(path))

    def at_rate(self, sample_rate: int) -> Tensor:
        """The samples [C, T] at another rate."""
        blocks = resample_blocks([self.samples], from_rate=self.sample_rate, to_rate=sample_rate)
        return torch.cat(list(blocks), dim=-1)


def _warnings(voice: VoiceActivity, name: str) -> Iterator[str]:
    if voice.seconds < _SHORTEST_SECONDS:
        yield (
            f"The reference {name} has only {voice.seconds:.1f} s of a voice: from "
            f"{_SHORTEST_SECONDS:g} s on it is known better."
        )
    if voice.contrast_db < _LEAST_CONTRAST_DB:
        yield (
            f"The reference {name} has no pauses, or they are full of noise (only "
            f"{voice.contrast_db:.0f} dB below the voice), which is taken for a part of the voice."
        )


def needs_reference(chain: Chain) -> bool:
    """Whether a model of the chain has to hear a reference first."""
    return any(
        member.model.spec.needs_reference for bag in chain.model.bags for member in bag.members
    )


def check_task(chain: Chain, task: Task) -> None:
    """Raises UsageError if the model needs a reference and the task has none, or the reverse."""
    name = chain.model.name
    if needs_reference(chain) and task != "extract":
        raise UsageError(
            f"{name} finds one voice, which it has to hear first.",
            hint="Use `stemsplit extract` with a `reference`.",
        )
    if task == "extract" and not needs_reference(chain):
        raise UsageError(
            f"{name} does not listen to a reference.",
            hint="Name a model that finds a voice, or one that tells speakers apart.",
        )


def enrolled(chain: Chain, reference: Reference) -> Chain:
    """The chain with its models looking for the voice of the reference."""
    parts = tuple(replace(part, bag=_enrolled(part.bag, reference)) for part in chain.model.parts)
    return replace(chain, model=replace(chain.model, parts=parts, doubts=reference.warnings))


def _enrolled(bag: Bag, reference: Reference) -> Bag:
    def enrol(model: Model) -> Model:
        if not model.spec.needs_reference:
            return model
        with torch.inference_mode():
            return cast(Extractor, model).enrol(reference.at_rate(model.spec.sample_rate))

    members = tuple(replace(each, model=enrol(each.model)) for each in bag.members)
    return replace(bag, members=members)


def _first(blocks: Iterable[Tensor], num_samples: int) -> Iterator[Tensor]:
    for block in blocks:
        yield block[:, :num_samples]
        num_samples -= block.shape[-1]
        if num_samples <= 0:
            return
