"""What a table says of the claimed order: the steps between neighbours, and whether each is clear in the whole table.

Reads files of results by stage and arm; feeds tables.py. Steps are compared in pairs, clip by clip
(retrieve/evaluate/compare.py). A table holds many steps, each at three recalls: p is corrected for all of them (Holm).
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from vlsa.reproduce.targets import FINE_TUNED, MAIN, PAPER, WRONG_SOUND, Target
from vlsa.retrieve.evaluate.bootstrap import holm
from vlsa.retrieve.evaluate.compare import CLEAR_AT, Difference, compare
from vlsa.retrieve.evaluate.metrics import RECALL_AT
from vlsa.retrieve.evaluate.results import direction_label
from vlsa.retrieve.evaluate.results_file import Results

MARKS = (
    f"\\* the paired difference is not 0 at p < {CLEAR_AT:g}, corrected for all differences named under the tables "
    "(Holm). An order holds where all of its steps are so marked, and does not hold where one marked step goes the "
    "other way."
)


@dataclass(frozen=True)
class Step:
    """One arm over the next one in the claimed order, at each recall."""

    label: str
    difference: dict[int, float]
    """In [-1, 1], above 0 as claimed."""
    p_value: dict[int, float]
    """Two-sided, of no difference."""
    interval: dict[int, tuple[float, float]] = field(default_factory=dict)
    """95%, of the difference alone: not corrected for others."""

    @classmethod
    def of(cls, label: str, direction: str, differences: Sequence[Difference]) -> "Step":
        """From the comparison of two arms."""
        found = {one.metric: one for one in differences if one.direction == direction}
        at = {k: found[f"r{k}"] for k in RECALL_AT}
        intervals = {k: at[k].interval or (-1.0, 1.0) for k in at}
        return cls(label, {k: at[k].difference for k in at}, {k: at[k].p_value for k in at}, intervals)

    def sign(self, k: int) -> int:
        """1 where it is clear and as claimed; -1 where it is clear and the other way; 0 where it is not clear."""
        return ((self.difference[k] > 0) - (self.difference[k] < 0)) * (self.p_value[k] < CLEAR_AT)

    def __str__(self) -> str:
        points = {k: round(100 * self.difference[k], 1) + 0.0 for k in RECALL_AT}  # + 0.0: no -0.0
        marks = {k: "\\*" if self.sign(k) else "" for k in RECALL_AT}
        return " / ".join(f"{points[k]:+.1f}{marks[k]}" for k in RECALL_AT)


@dataclass(frozen=True)
class Verdict:
    """What is said of a stage in one direction."""

    stage: str
    direction: str
    order: str
    """Whose order, of which arms; "" = none is claimed."""
    steps: tuple[Step, ...]

    def sentence(self, target: Target) -> str:
        """At which recalls the claimed order holds, and how far neighbours are apart."""
        if self.direction in target.specialists:
            return _over_specialist(self.direction, self.steps[0])
        if not self.order:
            falls = "; ".join(f"{step} {step.label}" for step in self.steps)
            start = f"{direction_label(self.direction)}: {target.arms[0].label} loses, in percentage points of"
            return f"{start} R@1 / 5 / 10: {falls}."
        apart = "; ".join(f"{step.label} {step}" for step in self.steps)
        start = f"{direction_label(self.direction)}: {self.order}, {holds(self.steps)}."
        return f"{start} Differences at R@1 / 5 / 10, percentage points: {apart}."


def verdicts_of(target: Target, results: Mapping[str, Mapping[str, Sequence[Results]]]) -> dict[str, list[str]]:
    """Stage -> a sentence for each direction; `results` by stage and arm, one a seed."""
    ordered = [stage for stage in results if stage != WRONG_SOUND] if len(target.claim) > 1 else []
    found = [verdict for stage in ordered for verdict in _of_order(target, stage, results[stage])]
    found += _of_controls(target, results) if target.must_fall else []
    found += _of_specialists(target, results) if target.specialists else []
    sentences: dict[str, list[str]] = {verdict.stage: [] for verdict in found}
    for verdict in corrected(found):
        sentences[verdict.stage].append(verdict.sentence(target))
    return sentences


def corrected(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The same with each p corrected for all steps and recalls."""
    p_values = iter(holm([p for verdict in verdicts for step in verdict.steps for p in step.p_value.values()]))
    return [
        replace(verdict, steps=tuple(replace(s, p_value={k: next(p_values) for k in s.p_value}) for s in verdict.steps))
        for verdict in verdicts
    ]


def _of_order(target: Target, stage: str, results: Mapping[str, Sequence[Results]]) -> list[Verdict]:
    """The steps of the claimed order, in each direction that all of its arms have."""
    order = [name for name in target.claim if name in results]
    labels = {arm.name: arm.label for arm in target.arms}
    claimed = " > ".join(labels[name] for name in order)
    pairs = {
        f"{labels[one]} over {labels[other]}": compare(results[one], results[other]).differences
        for one, other in itertools.pairwise(order)
    }
    return [
        Verdict(
            stage,
            direction,
            f"{claimed_order(target, stage, direction)}, {claimed}",
            tuple(Step.of(label, direction, differences) for label, differences in pairs.items()),
        )
        for direction in target.directions
        if pairs and direction in results[order[0]][0].directions()
    ]


def _of_controls(target: Target, results: Mapping[str, Mapping[str, Sequence[Results]]]) -> list[Verdict]:
    """By how much each control is worse than the first arm after the first stage."""
    base = results[target.stages[0]][target.arms[0].name]
    falls = {label: compare(base, results[at][arm]).differences for arm, at, label in target.must_fall}
    return [
        Verdict(target.stages[-1], direction, "", tuple(Step.of(label, direction, falls[label]) for label in falls))
        for direction in target.directions
        if direction in base[0].directions()
    ]


def _of_specialists(target: Target, results: Mapping[str, Mapping[str, Sequence[Results]]]) -> list[Verdict]:
    """Each other arm over the specialist of each direction, after each stage."""
    labels, specialists = {arm.name: arm.label for arm in target.arms}, set(target.specialists.values())
    found = []
    for (stage, arms), name in itertools.product(results.items(), [name for name in labels if name not in specialists]):
        over = {one: compare(arms[name], arms[one]).differences for one in specialists}
        for direction, one in target.specialists.items():
            if direction in arms[name][0].directions():
                step = Step.of(f"{labels[name]} over {labels[one]}, its specialist", direction, over[one])
                found.append(Verdict(stage, direction, "", (step,)))
    return found


def _over_specialist(direction: str, step: Step) -> str:
    """How far an arm is from the specialist of a direction, with intervals."""
    intervals = {k: "[{:+.1f}, {:+.1f}]".format(*(100 * end for end in step.interval[k])) for k in RECALL_AT}
    points = (f"R@{k} {100 * step.difference[k]:+.1f} {intervals[k]}" for k in RECALL_AT)
    below = [f"R@{k}" for k in RECALL_AT if step.sign(k) < 0]
    nearly = [f"R@{k}" for k in RECALL_AT if step.sign(k) >= 0 and step.interval[k][1] < 0]
    said = f"clearly below it at {', '.join(below)}" if below else "not clearly below it"
    said += f" (at {', '.join(nearly)} only before the correction for all differences)" if nearly else ""
    return f"{direction_label(direction)}: {step.label}, in percentage points: {', '.join(points)}; {said}."


def claimed_order(target: Target, stage: str, direction: str) -> str:
    """Whose order is looked for: the paper's is of fine-tuned models, in the directions that it measures."""
    if target.source != PAPER:
        return f"{target.source} order"
    numbers = [arm.paper for arm in target.arms if arm.name in target.claim]
    measured = [name for name in MAIN if all(name in one for one in numbers) or not any(numbers)]
    of_models = "" if stage == FINE_TUNED else " of fine-tuned models"
    where = "" if direction in measured else f" in {' and '.join(map(direction_label, measured))}"
    return f"{PAPER} order{of_models}{where}"


def holds(steps: Sequence[Step]) -> str:
    """At which recalls all steps are clear and as claimed, and at which one is clear and the other way."""
    names: dict[str, list[str]] = {"holds": [], "does not hold": [], "is not decided": []}
    for k in RECALL_AT:
        signs = {step.sign(k) for step in steps}
        name = "does not hold" if -1 in signs else "holds" if signs == {1} else "is not decided"
        names[name].append(f"R@{k}")
    return ", ".join(f"{name} at {', '.join(recalls)}" for name, recalls in names.items() if recalls)
