"""What `stemsplit doctor` has found: a heading per topic, and what mends it below what is wrong."""

from __future__ import annotations

from rich.markup import escape
from rich.text import Text

from stemsplit.cli.doctor_checks.finding import Finding
from stemsplit.cli.flags import in_flags
from stemsplit.cli.printer.command_events import Examined
from stemsplit.cli.printer.console import CAUTION, put, say, stdout
from stemsplit.cli.printer.tables import print_indented
from stemsplit.quoting import counted

_STYLES = {"ok": "green", "note": CAUTION, "problem": "bold red"}
_NAME_WIDTH = 17


def print_topic(topic: str) -> None:
    """The heading."""
    put(stdout(), f"[bold]{escape(topic)}[/]")


def print_finding(finding: Finding) -> None:
    """A line of the topic, and one for what mends it."""
    label = Text(f"  {finding.status:<9}{finding.name:<{_NAME_WIDTH}}")
    label.stylize(_STYLES[finding.status], 0, 11)
    print_indented(label, in_flags(finding.value))
    if finding.fix is not None:
        print_indented(" " * len(label), f"Fix: {in_flags(finding.fix)}")


def print_counts(examined: Examined) -> None:
    """How many are no good, on stderr."""
    problems = counted(examined.num_problems, "problem")
    say(f"{problems}, {counted(examined.num_notes, 'note')}.")
