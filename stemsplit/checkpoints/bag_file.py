"""The yaml file that says which networks make up a model, and how much each counts."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from stemsplit.checkpoints.plain_data import parse_yaml
from stemsplit.dsp.limits import MIN_CHUNK_SECONDS
from stemsplit.errors import CheckpointError
from stemsplit.quoting import listed, quoted, reason

MAX_BAG_BYTES = 64 * 1024
MAX_MEMBERS = 64
MAX_STEMS = 64
_SIGNATURE = re.compile(r"[A-Za-z0-9_-]{1,100}")
_ABSENT = {"", "~", "null"}


@dataclass(frozen=True, kw_only=True, slots=True)
class BagFile:
    """The networks of a model: signatures, one row of weights per network and one column per stem.

    `weights` None: every network counts the same. `segment_seconds` None: each network's own.
    """

    signatures: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...] | None
    segment_seconds: float | None


def parse_bag(data: bytes, origin: str) -> BagFile:
    """The bag that `data`, the content of a yaml file, describes. `origin` is for messages.

    Raises:
        CheckpointError: this is not a bag, or one that could not mean anything: a signature that
            is not a plain name, weights of the wrong shape, a stem that no network gives.
    """
    if len(data) > MAX_BAG_BYTES:
        raise CheckpointError(f"{origin} is over {MAX_BAG_BYTES} bytes, too large for a bag.")
    document = _read_yaml(data, origin)
    if not isinstance(document, dict) or "models" not in document:
        raise CheckpointError(f"{origin} is not a bag of models: it has no `models` list.")
    unknown = sorted(document.keys() - {"models", "weights", "segment"})
    if unknown:
        raise CheckpointError(f"{origin} has keys that no bag has: {listed(unknown)}.")
    signatures = _parse_signatures(document["models"], origin)
    return BagFile(
        signatures=signatures,
        weights=_parse_weights(document.get("weights", ""), len(signatures), origin),
        segment_seconds=_parse_segment(document.get("segment", ""), origin),
    )


def describes_bag(data: bytes, origin: str) -> bool:
    """Whether a yaml file with this content is a bag, and not the configuration of one network.

    Raises:
        CheckpointError: it is no readable yaml file.
    """
    if len(data) > MAX_BAG_BYTES:
        return False
    document = _read_yaml(data, origin)
    if not isinstance(document, dict) or "models" in document:
        return True
    # A configuration has sections, a bag none: one without its `models` is still to be called one.
    return "model" not in document and not any(isinstance(each, dict) for each in document.values())


def _read_yaml(data: bytes, origin: str) -> object:
    try:
        # As texts: a signature of digits only, such as 04573012, must not turn into a number.
        return parse_yaml(data, only_texts=True)
    except ValueError as error:
        raise CheckpointError(f"{origin} is not a readable yaml file ({reason(error)}).") from error


def _parse_signatures(value: object, origin: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_MEMBERS:
        raise CheckpointError(f"{origin}: `models` must list 1 to {MAX_MEMBERS} signatures.")
    for signature in value:
        # The signature becomes a file name, so it must not be able to leave its folder.
        if not isinstance(signature, str) or not _SIGNATURE.fullmatch(signature):
            raise CheckpointError(
                f"{origin}: {quoted(signature)} is not a signature "
                "(letters, digits, `_` and `-` only)."
            )
    return tuple(value)


def _parse_weights(
    value: object, num_members: int, origin: str
) -> tuple[tuple[float, ...], ...] | None:
    if isinstance(value, str) and value in _ABSENT:
        return None
    if not isinstance(value, list) or len(value) != num_members:
        raise CheckpointError(f"{origin}: `weights` must have one row for each of the models.")
    for row in value:
        if not isinstance(row, list) or len(row) != len(value[0]) or not 1 <= len(row) <= MAX_STEMS:
            raise CheckpointError(f"{origin}: the rows of `weights` must have one length, 1 to 64.")
    weights = tuple(tuple(_parse_number(cell, origin) for cell in row) for row in value)
    if min(cell for row in weights for cell in row) < 0:
        raise CheckpointError(f"{origin}: a weight is negative.")
    for column, cells in enumerate(zip(*weights, strict=True)):
        if sum(cells) == 0:
            raise CheckpointError(f"{origin}: no model has a weight for stem {column + 1}.")
    return weights


def _parse_segment(value: object, origin: str) -> float | None:
    if isinstance(value, str) and value in _ABSENT:
        return None
    seconds = _parse_number(value, origin)
    if seconds < MIN_CHUNK_SECONDS:
        raise CheckpointError(
            f"{origin}: its segment must be at least {MIN_CHUNK_SECONDS} seconds, got {seconds:g}."
        )
    return seconds


def _parse_number(value: object, origin: str) -> float:
    try:
        number = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise CheckpointError(f"{origin}: {quoted(value)} is not a finite number.")
    return number
