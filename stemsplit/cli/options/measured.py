"""What an evaluation measures, on what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stemsplit.cli.options.declare import FILES, argument, like, option
from stemsplit.cli.options.stem_files import FileOptions
from stemsplit.cli.options.wanted import ModelOptions
from stemsplit.evaluate.layout_names import Layout, Subset

MEASURED = "What to measure"


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationOptions:
    """The data set, the systems and the metrics; or two files of results to compare."""

    dataset: Path | None = argument(
        None,
        panel=MEASURED,
        metavar="[DATASET]",
        help="A folder of songs with their true stems, or one .stem.mp4.",
        show_default=False,
    )
    models: tuple[str, ...] = like(
        ModelOptions,
        "models",
        (),
        panel=MEASURED,
        help="A model to measure. May be given several times.",
        show_default=True,
    )
    oracle: str | None = option(
        None,
        panel=MEASURED,
        metavar="A,B",
        help="Upper bounds: irm (ideal ratio mask), ibm (ideal binary mask), mwf (multichannel "
        "Wiener filter). The mixture itself is always there as a lower bound.",
    )
    metric: str = option(
        "sdr,bsseval",
        panel=MEASURED,
        metavar="A,B",
        help="sdr, si_sdr, si_sdri (improvement over the mixture), bsseval (SDR, ISR, SIR and SAR "
        "of BSS Eval v4), sdr_bsseval_v4 (only that), and for speech pesq, stoi, estoi and dnsmos.",
    )
    subset: Subset = option("test", panel=MEASURED, help="Part of the data set.")
    layout: Layout | None = option(
        None,
        panel=MEASURED,
        help="How the data set is laid out.",
        show_default="told by what is there",
    )
    limit: int | None = option(
        None, panel=MEASURED, least=1, metavar="N", help="Only the first N tracks."
    )
    output: Path = like(
        FileOptions,
        "folder",
        Path("evaluation.jsonl"),
        metavar="FILE",
        help="Results as JSON Lines. What is there already is not measured again.",
    )
    compare: tuple[Path, Path] | None = option(
        None,
        panel=FILES,
        metavar="A.jsonl B.jsonl",
        help="Only say whether the models in two files of results differ; --model picks one from "
        "each if there are more.",
    )
    force: bool = option(
        False, panel=MEASURED, help="Even a model that was trained on the test songs."
    )
