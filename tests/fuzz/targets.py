"""Everything that is fuzzed."""

from __future__ import annotations

from tests.fuzz.audio_targets import AUDIO_TARGETS
from tests.fuzz.checkpoint_targets import CHECKPOINT_TARGETS
from tests.fuzz.hub_targets import HUB_TARGETS
from tests.fuzz.list_targets import LIST_TARGETS
from tests.fuzz.song_targets import SONG_TARGETS
from tests.fuzz.text_targets import TEXT_TARGETS

TARGETS = {
    **AUDIO_TARGETS,
    **SONG_TARGETS,
    **CHECKPOINT_TARGETS,
    **HUB_TARGETS,
    **LIST_TARGETS,
    **TEXT_TARGETS,
}
