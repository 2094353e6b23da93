"""MMDenseLSTM: dense blocks and LSTMs in bands of a spectrogram. Takahashi et al. (2018)."""

from __future__ import annotations

from stemsplit.models.family import Family
from stemsplit.models.mmdenselstm.adapter import adapt_mmdenselstm
from stemsplit.models.mmdenselstm.config import SECTION, read_mmdenselstm_config
from stemsplit.models.mmdenselstm.folder import mmdenselstm_folder
from stemsplit.models.mmdenselstm.model import MMDenseLSTM

FAMILIES = (
    Family(
        name="mmdenselstm",
        build=lambda given: MMDenseLSTM(read_mmdenselstm_config(given.kwargs)),
        adapt=adapt_mmdenselstm,
        folder=mmdenselstm_folder,
        sections=(SECTION,),
    ),
)
