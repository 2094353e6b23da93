"""Systems over the tracks of a data set, with every figure written as soon as it is known."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stemsplit.engine.note import Note
from stemsplit.errors import StemsplitError, UsageError
from stemsplit.evaluate.dataset import Track, TrackAudio, load_track
from stemsplit.evaluate.evaluation_events import (
    EvaluationBegan,
    Listener,
    Scored,
    SystemProgressed,
    SystemStarted,
    TrackFailed,
)
from stemsplit.evaluate.find_tracks import Dataset
from stemsplit.evaluate.results_file import Record, RecordFile
from stemsplit.evaluate.scoring import METRICS, PROTOCOLS, Score, TrackScorer, means_something
from stemsplit.evaluate.speaker_order import BEST_ORDER, in_best_order
from stemsplit.evaluate.stem_groups import StemGroup, as_they_are, match_stems
from stemsplit.evaluate.systems import System
from stemsplit.version import __version__

_WORST_REST_DB = -10.0
"""What stems may leave over of a mixture that was mastered; on one excerpt it is -15 dB."""

Groups = tuple[StemGroup, ...]
Sums = tuple[tuple[str, ...], ...]
"""The true stems of a track, summed as a model's stems make necessary."""


@dataclass(frozen=True, slots=True)
class _Task:
    """One system on one track, in groups of which some may not be scored."""

    track: Track
    track_bytes: int
    system: System
    groups: Groups

    @property
    def sums(self) -> Sums:
        return tuple(group.sources for group in self.groups)

    @property
    def scored(self) -> dict[str, StemGroup]:
        """By name, the groups for which there is an estimate."""
        return {group.name: group for group in self.groups if group.estimates}

    def estimates(self, audio: TrackAudio, on_event: Listener) -> dict[str, Tensor]:
        """Estimates [C, T] for the groups that are scored."""
        about = self.track.name, self.system.key[0]
        own = self.system.estimate(audio, lambda share: on_event(SystemProgressed(*about, share)))
        if not self.system.ordered:
            own = in_best_order(own, audio)
        return {
            name: functools.reduce(torch.add, [own[stem] for stem in group.estimates])
            for name, group in self.scored.items()
        }


class Evaluation:
    """`metrics` are keys of `METRICS`. What `store` has already is not measured again.

    Raises:
        UsageError: a system has no stem in common with any track.
    """

    def __init__(
        self,
        dataset: Dataset,
        systems: Sequence[System],
        metrics: Sequence[str],
        store: RecordFile,
    ) -> None:
        self._dataset = dataset
        self._metrics = tuple(dict.fromkeys(metrics))
        self._store = store
        self._tasks = [_tasks(track, systems) for track in dataset.tracks]
        _check_stems(self._tasks, systems)

    @property
    def num_tasks_left(self) -> int:
        """How many times a system has something to do on a track."""
        return sum(bool(self._left_to_measure(task)) for tasks in self._tasks for task in tasks)

    def run(self, on_event: Listener) -> int:
        """How many tracks could not be evaluated, or not by everyone; they do not stop the rest."""
        on_event(EvaluationBegan(self.num_tasks_left))
        for name in self._names_without_order():
            on_event(
                Note(
                    f"{name} does not say which output is which speaker: its outputs are scored in "
                    "the order that fits each track best."
                )
            )
        return sum(not self._run_track(tasks, on_event) for tasks in self._tasks)

    def records(self) -> list[Record]:
        """All that is known of these tracks, systems and measures, by this run or before.

        In the order of the measures, the stems, the systems and the tracks.
        """
        figures = [figure for metric in self._metrics for figure in METRICS[metric]]
        tasks = [task for tasks in self._tasks for task in tasks]
        ranks = {key: rank for rank, key in enumerate(dict.fromkeys(t.system.key for t in tasks))}
        stems = list(dict.fromkeys(stem for task in tasks for stem in task.scored))
        found = [
            (figures.index(figure), stems.index(stem), ranks[task.system.key], record)
            for task in tasks
            for figure in dict.fromkeys(figures)
            for stem in task.scored
            if (record := self._find(task, stem, figure)) is not None
        ]
        return [record for *_, record in sorted(found, key=lambda entry: entry[:3])]

    def _names_without_order(self) -> list[str]:
        systems = [task.system for tasks in self._tasks for task in tasks]
        return list(dict.fromkeys(each.key[0] for each in systems if not each.ordered))

    def _run_track(self, tasks: Sequence[_Task], on_event: Listener) -> bool:
        left = [task for task in tasks if self._left_to_measure(task)]
        if not left:
            return True
        track = left[0].track
        try:
            audio = load_track(track)
        except StemsplitError as error:
            on_event(TrackFailed(track.name, str(error)))
            return False
        rest_db = audio.rest_db()
        if rest_db > _WORST_REST_DB:
            on_event(
                Note(
                    f"{track.name}: its stems do not add up to its mixture; {rest_db:.0f} dB of it "
                    "are left over, so its figures mean little."
                )
            )
        all_went_well = True
        for sums in dict.fromkeys(task.sums for task in left):
            grouped = audio.regrouped(sums)
            scorer = TrackScorer(grouped)
            for task in left:
                if task.sums == sums:
                    all_went_well &= self._run_task(task, grouped, scorer, on_event)
        return all_went_well

    def _run_task(
        self, task: _Task, audio: TrackAudio, scorer: TrackScorer, on_event: Listener
    ) -> bool:
        on_event(SystemStarted(task.track.name, task.system.key[0]))
        try:
            estimates = task.estimates(audio, on_event)
        except StemsplitError as error:
            on_event(TrackFailed(task.track.name, str(error)))
            return False
        scores = scorer.score(estimates, self._left_to_measure(task))
        records = [self._record(task, score) for score in scores]
        self._store.append(records)
        on_event(Scored(records))
        return True

    def _left_to_measure(self, task: _Task) -> list[str]:
        """The measures of which any figure is not in the file yet."""
        return [
            metric
            for metric in self._metrics
            if any(
                self._find(task, stem, figure) is None
                for figure in METRICS[metric]
                for stem in task.scored
                if means_something(metric, stem)
            )
        ]

    def _find(self, task: _Task, stem: str, figure: str) -> Record | None:
        wanted = self._record(task, Score(stem, figure, None))
        return self._store.find(wanted.subject, wanted.system)

    def _record(self, task: _Task, score: Score) -> Record:
        model, revision, precision = task.system.key
        stems = ", ".join(group.name for group in task.groups)
        protocol = f"{PROTOCOLS[score.metric]}; sources at 16 bits: {stems}"
        if not task.system.ordered:
            protocol += f"; {BEST_ORDER}"
        return Record(
            dataset=self._dataset.layout,
            subset=self._dataset.subset,
            track=task.track.name,
            track_bytes=task.track_bytes,
            stem=score.stem,
            estimate="+".join(task.scored[score.stem].estimates),
            metric=score.metric,
            value=score.value,
            reason=score.reason,
            model=model,
            revision=revision,
            precision=precision,
            tool_version=__version__,
            protocol=protocol,
        )


def _check_stems(tasks: Sequence[Sequence[_Task]], systems: Sequence[System]) -> None:
    busy = {task.system.key for of_track in tasks for task in of_track}
    for system in systems:
        if system.key not in busy and system.stems is not None:
            known = dict.fromkeys(stem for each in tasks for stem in each[0].track.stems if each)
            raise UsageError(
                f"{system.key[0]} has the stems {', '.join(system.stems)}, and no track has "
                "one of them.",
                hint=f"The data set has {', '.join(known)}.",
            )


def _tasks(track: Track, systems: Sequence[System]) -> list[_Task]:
    """Who is to do what with the track.

    Bounds are for every way in which the models' stems make the true stems be summed.
    """
    matched = {
        system.key: match_stems(track.stems, system.stems)
        for system in systems
        if system.stems is not None
    }
    matched = {key: groups for key, groups in matched.items() if any(g.estimates for g in groups)}
    own = tuple((stem,) for stem in track.stems)
    sums = list(dict.fromkeys(tuple(g.sources for g in groups) for groups in matched.values()))
    size = track.num_bytes()
    tasks = []
    for system in systems:
        if system.stems is None:
            tasks += [_Task(track, size, system, as_they_are(each)) for each in sums or [own]]
        elif system.key in matched:
            tasks.append(_Task(track, size, system, matched[system.key]))
    return tasks
