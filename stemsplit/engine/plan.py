"""What is to be done to the songs of a run, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

from stemsplit.device.names import Precision
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.preference import Preference
from stemsplit.errors import check_choice, check_number, check_text
from stemsplit.hub.catalog import Task
from stemsplit.json_data import JsonData, prepare


@dataclass(frozen=True, kw_only=True, slots=True)
class RunPlan(JsonData):
    """All that a process has to know to open the models of a run (`session.open_session`)."""

    model: str | None = None
    """A name, a path or an expression; None: what the preference chooses, or else the task's."""
    task: Task = "separate"
    """For which it is, if it is not named."""
    reason: str = ""
    """Why the model was chosen, if nobody named it (`choice.choose_model`)."""
    instead: str | None = None
    """What may take the place of a model that was chosen and cannot be had."""
    preference: Preference = field(default_factory=Preference)
    options: SeparationOptions = field(default_factory=SeparationOptions)
    then: tuple[tuple[str, str], ...] = ()
    """Of each step after the model its parent and its model."""
    offline: bool = False
    devices: str = "auto"
    """One device or several with commas between, as `runtime.choose_runtimes` takes them."""
    precision: Precision = "auto"
    batch_size: int | None = None
    """None: decided for each network."""

    def __post_init__(self) -> None:
        if self.model is not None:
            check_text("model", self.model)
        check_choice("task", self.task, get_args(Task))
        check_text("device", self.devices)
        if self.batch_size is not None:
            check_number("batch_size", self.batch_size, whole=True)

    @property
    def names_model(self) -> bool:
        """Whether the model was named: then it is that model, or an error."""
        return self.model is not None and not self.reason


prepare(RunPlan)
