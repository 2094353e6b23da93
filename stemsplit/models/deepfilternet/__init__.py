"""DeepFilterNet3: gains for bands, and filters for voices. Schröter et al. (Interspeech 2023)."""

from __future__ import annotations

from stemsplit.models.deepfilternet.config import read_deepfilternet_config
from stemsplit.models.deepfilternet.graph import recognise_deepfilternet
from stemsplit.models.deepfilternet.model import DeepFilterNet
from stemsplit.models.family import Family

FAMILIES = (
    Family(
        name="deepfilternet",
        build=lambda given: DeepFilterNet(read_deepfilternet_config(given.kwargs)),
        graph=recognise_deepfilternet,
    ),
)
