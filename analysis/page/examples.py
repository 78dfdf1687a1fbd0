"""Images of the best trial of each condition: wrong labels that it found or missed, and right ones that it doubted."""

from dataclasses import dataclass

from analysis.frames.load import Trials
from analysis.tables.selection import chosen
from codim.metrics import LabelKind
from study.results.examples import Example, Examples

_TITLES: dict[LabelKind, str] = {
    "found": "Wrong label found",
    "missed": "Wrong label missed",
    "doubted": "Right label doubted",
    "contradicted": "Given label doubted (true ones are unknown)",
}
SHARP = 48
"""Longest side, in pixels, below which an image is enlarged without smoothing."""


@dataclass(frozen=True)
class Picture:
    image: str
    """Thumbnail as a data: URL."""
    caption: str
    """The labels, in few words."""
    alternative: str
    """Alternative text: name of the image and its labels."""


@dataclass(frozen=True)
class Row:
    """Images of one kind."""

    title: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Grid:
    """Images of one condition."""

    condition: str
    trial: str
    sentence: str
    rows: tuple[Row, ...]
    sharp: bool


def grids(trials: Trials) -> list[Grid]:
    """Return the images of each condition's chosen trial, those without any left out: embeddings have none, nor have
    results of studies that kept none."""
    found = []
    for condition, trial in chosen(trials)["trial"].items():
        source = next(own for own in trials.sources if str(trial).startswith(own.prefix))
        try:
            examples = source.folder.read_examples(str(trial).removeprefix(source.prefix))
        except ValueError:  # that a table of epochs is damaged, the figures say
            continue
        if examples is not None and any(group.images for group in examples.groups):
            rows = tuple(
                Row(f"{_TITLES[group.kind]}: {group.count:,}", tuple(map(_picture, group.images)))
                for group in examples.groups
            )
            found.append(Grid(str(condition), str(trial), _sentence(examples), rows, examples.side < SHARP))
    return found


def _picture(example: Example) -> Picture:
    name = example.file or f"Training image {example.index}"
    labels = f"given {example.given}, predicted {example.predicted}"
    true = f", true {example.true}" if example.true else ""
    caption = f"{example.given}" if example.given == example.predicted else f"{example.given} → {example.predicted}"
    told = f"; true: {example.true}" if example.true not in ("", example.given, example.predicted) else ""
    return Picture(example.image, f"{caption}{told}", f"{name}: {labels}{true}")


def _sentence(examples: Examples) -> str:
    """Say how many labels the trial finds, and at what cost."""
    count = {group.kind: group.count for group in examples.groups}
    if "contradicted" in count:
        return f"The networks contradict {count['contradicted']:,} of {examples.images:,} given labels."
    right = "1 right label" if count["doubted"] == 1 else f"{count['doubted']:,} right labels"
    return f"It found {count['found']:,} of {count['found'] + count['missed']:,} wrong labels, and doubted {right}."
