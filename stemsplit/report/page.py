"""One file of HTML that holds everything: markup, style, program, pictures, perhaps sounds.

Whatever comes from a record or a file name is escaped, and if that failed, the page's own policy
would still keep the browser from running it: only the one script and the one style whose digests it
names may be used, and nothing may be loaded but audio files, which go nowhere.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from stemsplit.report.clips import COPY_KBIT
from stemsplit.report.markup import escape
from stemsplit.report.number_tables import alerts, numbers, subtitle
from stemsplit.report.pictures import HIGHEST_HZ, LOWEST_HZ, RANGE_DB
from stemsplit.report.records import SongRecords
from stemsplit.report.sounds import SongSounds, lane_data
from stemsplit.report.speech_ratings import rates_speech, speech_ratings
from stemsplit.version import __version__

MARKER = "<!-- A report by stemsplit, which may replace it at any time. -->"
"""The second line of every page: by it stemsplit knows its own."""

_SCRIPTS = ("drawing.js", "buffer_engine.js", "file_engine.js", "player.js", "controls.js")

_IN_SCRIPT = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def made_of(records: SongRecords, *, embed: bool) -> str:
    """64 hexadecimal digits that stand for all that a page about the song is made of."""
    parts = [embed, [track.record.raw for track in records.tracks]]
    parts += ["speech is rated"] if rates_speech(records) else []
    raw = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(raw.encode()).hexdigest()


def render_song(song: SongSounds, file: Path, *, embed: bool) -> str:
    """The page about a song that is to lie at `file`.

    `embed`: it is meant to be sent away, so it does not say in which folders this machine keeps
    things.
    """
    first = song.records.tracks[0]
    script = "\n".join(map(asset, _SCRIPTS))
    return fill(
        "page.html",
        style=asset("page.css"),
        script=script,
        made_of=made_of(song.records, embed=embed),
        title=escape(first.title),
        subtitle=subtitle(song.records).markup,
        alerts=alerts(song.records, song.notes),
        numbers=speech_ratings(song) + numbers(song.records, private=embed),
        range_db=f"{RANGE_DB:g}",
        sound_note=_sound_note(song),
        data=_json(
            {
                "duration": max(track.duration_seconds for track in song.records.tracks),
                "models": list(song.records.labels),
                "lowestHz": LOWEST_HZ,
                "highestHz": HIGHEST_HZ,
                "lanes": lane_data(song, file.parent),
            }
        ),
    )


def fill(template: str, *, style: str, script: str, **texts: str) -> str:
    """A template with style and script in it, and a policy that allows no others."""
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_digest(script)}'",
            f"style-src '{_digest(style)}'",
            "img-src data:",
            "media-src 'self' file: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    return Template(asset(template)).substitute(
        texts, policy=policy, style=style, script=script, marker=MARKER, version=__version__
    )


def _sound_note(song: SongSounds) -> str:
    """Where the sounds are, and what that means for how they sound."""
    copies = [lane for lane in song.lanes if lane.copy is not None]
    quality = f"with {COPY_KBIT} kbit/s, for listening only"
    if song.lanes and len(copies) == len(song.lanes):
        return f"All sounds on this page are copies {quality}."
    text = "Sounds are played from their files, and a loop has a short gap (not if embedded)."
    if copies:
        names = ", ".join(lane.sound.stem or "the original" for lane in copies)
        text += f" No browser could keep these in step, so they are copies {quality}: {names}."
    return escape(text)


@functools.cache
def asset(name: str) -> str:
    """A file that lies beside this one and goes into pages."""
    return resources.files("stemsplit.report").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json(value: Any) -> str:
    """JSON that cannot end the script element that it is in."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).translate(_IN_SCRIPT)
