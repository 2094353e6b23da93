"""What there is to say about a file with more than the sound of one song in it."""

from __future__ import annotations

import re
from typing import Any

from av.stream import Disposition

from stemsplit.quoting import counted

_MAX_NAMED = 8
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})?")
# Less is what encoders do, and nobody sees.
_LATE_SECONDS = 0.05


def stream_notes(container: Any, stream: Any) -> tuple[str, ...]:
    """Which audio track is read, if there are several, and that it begins after the picture."""
    return tuple(filter(None, (_choice(container, stream), _delay(container, stream))))


def _choice(container: Any, stream: Any) -> str:
    tracks = container.streams.audio
    if len(tracks) == 1:
        return ""
    named = ", ".join(_named(number, track) for number, track in enumerate(tracks[:_MAX_NAMED], 1))
    more = ", ..." if len(tracks) > _MAX_NAMED else ""
    taken = tracks.index(stream) + 1
    return (
        f"has {counted(len(tracks), 'audio track')}: {named}{more}. Number {taken} was taken; "
        "`track` chooses another."
    )


def _named(number: int, track: Any) -> str:
    language = track.metadata.get("language", "")
    words = [
        language if _LANGUAGE.fullmatch(language) and language != "und" else "",
        track.codec_context.codec.canonical_name if track.codec_context is not None else "",
        "default" if track.disposition & Disposition.default else "",
    ]
    said = " ".join(filter(None, words))
    return f"{number} ({said})" if said else str(number)


def _delay(container: Any, stream: Any) -> str:
    video = [
        _start_seconds(each)
        for each in container.streams.video
        if not each.disposition & Disposition.attached_pic
    ]
    begins = _start_seconds(stream)
    first = min((each for each in video if each is not None), default=None)
    if begins is None or first is None or begins - first < _LATE_SECONDS:
        return ""
    return f"has sound from {begins - first:.2f} s of the video on. The stems begin with the sound."


def _start_seconds(stream: Any) -> float | None:
    return None if stream.start_time is None else float(stream.start_time * stream.time_base)
