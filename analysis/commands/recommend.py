"""The command `recommend`: settings for a training, from a study and the noise of the user's data."""

import csv
import json
import logging
import shlex
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from analysis.advice.noise_rate import Estimate, estimate, given
from analysis.advice.recommend import Advice, recommend
from analysis.commands.arguments import RecommendArguments
from analysis.frames.load import Trials, load_trials
from codim.config.auto import AUTO, RULES, put
from codim.config.datasets import DATASET_FACTS, DatasetFacts
from codim.config.methods import METHODS
from codim.data.embedding_files import is_embedding_file, read_labels
from codim.data.own_files import folder_images, table_images
from codim.text.command_line import as_called

MEASURES = ("regret", "low", "high", "gain", "gain_low", "gain_high")
"""Columns of the options that are not settings."""
WEAK_AGREEMENT = 0.6
"""Share of images on which both networks agree, below which they are called too weak. In benchmarks/noise_interval.py
38 of the 42 such pairs were right on less than 60% of the images, 44% in the mean."""
MOST_CLASSES = 20
"""Maximum number of classes whose transition matrix fits into a terminal."""


def main(args: RecommendArguments) -> None:
    """Run the command. Raises ValueError and OSError for unusable input."""
    own = args.labels is not None or args.images is not None
    if args.noise_rate is not None and args.predictions is not None:
        raise ValueError("give --noise-rate or --predictions, not both")
    if args.noise_rate is None and args.predictions is None and not own:
        raise ValueError("give --noise-rate, or --labels and/or --images, or --predictions")
    if args.output.is_dir():
        raise ValueError(f"--output: {args.output} is a folder; give the name of a file")
    trials = load_trials(args.study)
    if args.noise_rate is not None or args.predictions is not None:  # else python -m codim crossval logs what it found
        logging.basicConfig(format="%(message)s")
        logging.getLogger("codim").setLevel(logging.INFO)
    console = Console(markup=False)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=args.output.parent) as scratch:
        data, table = _data(args, Path(scratch))
        if args.noise_rate is not None:
            rate = given(args.noise_rate)
        else:
            found = _estimate(args, settings_for(trials.spec.get("fixed", {}), trials, data), Path(scratch))
            for shown in _estimate_tables(found):
                console.print(shown)
            if found.agreement < WEAK_AGREEMENT:
                console.print(
                    f"! The two networks agree on only {_percent(found.agreement)} of the images: they are too weak to "
                    + as_called("tell the rate. A longer training (python -m codim crossval --config) may help."),
                    highlight=False,
                )
            rate = found.rate
        advice = recommend(trials, rate, args.noise_kind)
        for line in describe(advice):
            console.print(line, highlight=False)
        if table is not None:
            # Last of all, so that a failed command leaves no files.
            kept = args.output.with_name(f"{args.output.stem}-labels.csv")
            data = {"data": {"name": "table", "root": str(table.replace(kept).absolute())}}
    settings = settings_for(advice.config, trials, data)
    args.output.write_text(json.dumps(settings, indent=2) + "\n")
    if not own:
        console.print(
            "! The settings hold the study's data, not yours: give --labels or --images, too.", highlight=False
        )
    limit = "--minutes 30 " if settings.get("train", {}).get("samples") == AUTO else ""
    command = f"python -m codim --config {shlex.quote(str(args.output))} {limit}--output results/mine"
    console.print(as_called(command), soft_wrap=True, highlight=False)


def settings_for(study: dict[str, Any], trials: Trials, data: dict[str, Any]) -> dict[str, Any]:
    """Return the study's settings for the section `data`. If a study of another data set is to advise on own data, or
    one of own images on embeddings, all that follows from the data is `auto`, except what was searched or the method
    sets: network, budget and stages fit the study's data."""
    settings = {**study, **data}
    facts = DATASET_FACTS.get(str(trials.spec.get("data")), DatasetFacts())
    if not data or (facts.own and facts.vectors == DATASET_FACTS[data["data"]["name"]].vectors):
        return settings
    preset = METHODS.get(str(settings.get("method")), {})
    if "network" in settings:
        other = {name: value for name, value in settings["network"].items() if name not in ("stem", "weights")}
        settings = {**settings, "network": other}
    for path in RULES:
        section, _, name = path.partition("/")
        if path not in trials.spec.get("space", {}) and name not in preset.get(section, {}):
            settings = put(settings, path, AUTO)
    return settings


def describe(advice: Advice) -> list[str | Table]:
    """Build the tables and lines that the terminal shows."""
    rate = advice.rate
    between = "" if rate.low == rate.high else f" [{_percent(rate.low)} to {_percent(rate.high)}]"
    options = Table(
        title=f"Settings for {advice.kind} noise of {_percent(rate.value)}{between} (n = {advice.trials} trials)",
        caption="Points of accuracy on true labels. Gain: over the default, 90% interval; regret: to the best, 95%.",
        pad_edge=False,  # fits into 80 columns
    )
    options.add_column("setting", no_wrap=True)
    table = advice.options
    for name in map(str, table.index):
        options.add_column(name, justify="right", min_width=len(name))
    for name in table.columns[: -len(MEASURES)]:
        options.add_row(str(name), *(f"{v:.4g}" if isinstance(v, float) else str(v) for v in table[name]))
    rows = [row for _, row in _rows(table)]
    options.add_section()
    options.add_row("gain (points)", *(_interval(row, "gain", "gain_low", "gain_high") for row in rows[:-1]), "-")
    options.add_row("regret (points)", *map(_regret, rows))
    costs = Table(title="Expected regret (points) where the true rate is another")
    costs.add_column("true rate (%)", justify="right")
    for name in map(str, advice.costs):
        costs.add_column(name, justify="right")
    for true, row in _rows(advice.costs):
        costs.add_row(f"{100 * float(true):.0f}", *(f"{100 * v:.1f}" for v in row.values()))
    robust = Table(title="The robust setting along the conditions")
    for name in ("condition", "realised (%)", "regret (points)"):
        robust.add_column(name, justify="left" if name == "condition" else "right")
    for _, row in _rows(advice.robust):
        robust.add_row(str(row["condition"]), f"{100 * row['oracle_noise_rate']:.0f}", _regret(row))
    return [options, costs, robust, *(f"! {text}" for text in advice.cautions)]


def _data(args: RecommendArguments, scratch: Path) -> tuple[dict[str, Any], Path | None]:
    """Return the section `data` for the user's own data, and the table in `scratch` that it names, if one was
    written."""
    if args.images is not None and args.images.is_file() and is_embedding_file(args.images):
        return {"data": _embeddings(args.images, args.labels)}, None
    if args.labels is None:
        if args.images is not None:
            try:
                folder_images(args.images).logged()
            except ValueError as error:
                raise ValueError(f"--images: {error}") from error
        return ({"data": {"name": "folder", "root": str(args.images.absolute())}} if args.images else {}), None
    if not args.labels.is_file():
        raise ValueError(f"--labels: {args.labels} is not a file; give a .csv or .parquet table of path and label")
    try:
        own = table_images(args.labels, args.images).logged()
    except ValueError as error:
        raise ValueError(f"--labels: {error}") from error
    if args.images is None:
        return {"data": {"name": "table", "root": str(args.labels.absolute())}}, None
    path = scratch / "labels.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "split"])
        for part, rows in own.rows.items():
            table.writerows((args.images.absolute() / row.path, row.label, part) for row in rows)
    return {"data": {"name": "table", "root": str(path.absolute())}}, path


def _embeddings(path: Path, labels: Path | None) -> dict[str, Any]:
    """Return the section `data` for a file of embeddings whose labels can be read."""
    try:
        read_labels(path, labels)
    except ValueError as error:
        raise ValueError(f"--images: {error}") from error
    beside = {} if labels is None else {"labels": str(labels.absolute())}
    return {"name": "embeddings", "root": str(path.absolute())} | beside


def _estimate(args: RecommendArguments, settings: dict[str, Any], scratch: Path) -> Estimate:
    if args.predictions is not None:
        return _read(args.predictions)
    config, output = scratch / "config.json", scratch / "predictions.parquet"
    config.write_text(json.dumps(settings))
    # The analysis itself trains nothing.
    command = [sys.executable, "-m", "codim", "crossval", "--config", str(config), "--output", str(output)]
    if subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode:
        raise ValueError("the out-of-fold predictions failed, see above")
    return _read(output)


def _read(path: Path) -> Estimate:
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"--predictions: {path} cannot be read as Parquet: {error}") from error
    wanted = {"given_label", "probabilities"}
    if missing := wanted - set(table.column_names):
        raise ValueError(f"--predictions: {path} has no column {min(missing)}; python -m codim crossval writes it")
    probabilities = np.stack(table["probabilities"].to_numpy()).astype(float)
    names = json.loads((table.schema.metadata or {}).get(b"classes", b"[]"))
    agree = table["agree"].to_numpy() if "agree" in table.column_names else None
    return estimate(table["given_label"].to_numpy(), probabilities, names, agree)


def _estimate_tables(found: Estimate) -> list[Table]:
    used = found.rate
    rates = Table(
        title=f"Share of wrong labels: {_percent(used.value)}, plausibly {_percent(used.low)} to {_percent(used.high)}",
        caption="The first method's rate is used; the interval allows for its bias. The spread of a method does not.",
    )
    for name in ("method", "rate (%)", "spread over resampled images"):
        rates.add_column(name)
    for name, row in _rows(found.methods):
        rates.add_row(name, _percent(row["noise_rate"]), f"{_percent(row['low'])} to {_percent(row['high'])}")
    if len(found.transition) > MOST_CLASSES:
        return [rates]
    matrix = Table(title="Given labels (columns, %) of each true class, by confident learning")
    for name in ("", *found.classes):
        matrix.add_column(name, justify="right")
    for name, values in zip(found.classes, found.transition, strict=True):
        matrix.add_row(name, *(f"{100 * value:.0f}" for value in values))
    return [rates, matrix]


def _rows(frame: pd.DataFrame) -> list[tuple[str, dict[str, Any]]]:
    """Return index and columns of each row as plain Python values."""
    rows: Any = frame.to_dict("records")
    return [(str(i), row) for i, row in zip(frame.index, rows, strict=True)]


def _regret(row: dict[str, Any]) -> str:
    return _interval(row, "regret", "low", "high")


def _interval(row: dict[str, Any], *names: str) -> str:
    value, low, high = (100 * row[name] for name in names)
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"
