"""Reference pages, from the code: settings, keys of a study file, columns, commands, Python names, and the README files
that lie beside what they describe."""

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

import analysis
import codim
import study
from analysis.__main__ import COMMANDS as REPORT_COMMANDS
from analysis.commands.arguments import ReportArguments
from analysis.frames.columns import column_table
from analysis.frames.load import load_trials
from codim.__main__ import COMMANDS
from codim.commands.arguments import TrainArguments
from codim.config.train_config import TrainConfig
from codim.noise.kinds import NOISE_KINDS
from codim.section import Section
from codim.text.command_line import parsed
from study import check, run
from study.dimensions.base import Dimension
from study.dimensions.types import DIMENSION_TYPES
from study.spec import study_spec
from study.spec.study_spec import StudySpec

README_FILES = {
    "reference/study-file.md": "search_spaces/README.md",
    "reference/benchmarks.md": "benchmarks/README.md",
    "reference/contributing.md": "CONTRIBUTING.md",
}
ALLOWED = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
ALLOWED |= {"minItems": "entries: at least", "maxItems": "entries: at most"}


def pages(root: Path) -> Mapping[str, str]:
    """Return address -> Markdown of each page."""
    beside = {address: _beside(root / name) for address, name in README_FILES.items()}
    return beside | {
        "reference/settings.md": _settings(),
        "reference/study-keys.md": _study_keys(),
        "reference/columns.md": _columns(root),
        "reference/commands.md": _commands(),
        "reference/api.md": _python(),
    }


def _beside(path: Path) -> str:
    """Return a README file, its links to pages of docs/ as they are from a page of reference/."""
    return path.read_text(encoding="utf-8").replace("](../docs/", "](../")


def _settings() -> str:
    text = [
        "# Settings\n",
        "Every setting of a training, by `section/setting`: in a settings file `{section: {setting: value}}`, in a "
        "study file the same below `fixed`, and `section/setting` below `space`. `auto` is computed from the data.\n",
    ]
    for section, field in TrainConfig.model_fields.items():
        if section == "noise":
            text.append("## noise\n\nThe kind decides what else there is to set.\n")
            for kind in NOISE_KINDS.values():
                text.append(f"### noise: {kind.model_fields['kind'].default}\n\n{_prose(kind.__doc__)}\n")
                text += [_entry(f"noise/{name}", own, 4) for name, own in _fields(kind) if name != "kind"]
        else:
            kind = field.annotation
            assert isinstance(kind, type)
            assert issubclass(kind, Section)
            text.append(f"## {section}\n\n{_prose(kind.__doc__)}\n")
            text += [_entry(f"{section}/{name}", own, 3) for name, own in _fields(kind)]
    return "\n".join(text)


def _study_keys() -> str:
    text = [
        "# Keys of the study file\n",
        _prose(StudySpec.__doc__) + " The [study file](study-file.md) explains them.\n",
    ]
    parts = {name: kind for name, field in StudySpec.model_fields.items() if (kind := _section(field.annotation))}
    for name, own in _fields(StudySpec):
        text.append(f"## {name}\n\n{_prose(parts[name].__doc__) if name in parts else _entry('', own)}\n")
        text += [_entry(f"{name}/{inner}", field, 3) for inner, field in _fields(parts.get(name, Section))]
    text.append(f"## Each bound of constraints\n\n{_prose(study_spec.Limit.__doc__)}\n")
    text += [_entry(f"constraints/METRIC/{inner}", field, 3) for inner, field in _fields(study_spec.Limit)]
    for kind, dimension in DIMENSION_TYPES.items():
        text.append(f"## Dimension: {kind}\n\n{_prose(dimension.__doc__)}\n")
        own = [(name, field) for name, field in _fields(dimension) if name not in ("type", *Dimension.model_fields)]
        text += [_entry(f"{kind}: {name}", field, 3) for name, field in own]
    text.append(f"## Every dimension\n\n{_prose(Dimension.__doc__)}\n")
    text += [_entry(name, field, 3) for name, field in _fields(Dimension) if name != "type"]
    return "\n".join(text)


def _columns(root: Path) -> str:
    trials = load_trials(root / "analysis" / "example")
    text = [
        "# Columns\n",
        "What `analysis.load_trials` reads, by the columns of the shipped example. A study has one `param/...` for "
        "each setting that it searches. Accuracies, rates and shares are in [0, 1]; columns `oracle_*` need true "
        "labels or test images, and no search sees them.\n",
    ]
    frames = {"trials": trials.trials, "epochs": trials.epochs, "confirmations": trials.confirmations}
    for name, frame in frames.items():
        text += [f"## {name}\n", "| column | type | meaning |", "|---|---|---|", *_rows(column_table(frame)), ""]
    return "\n".join(text)


def _rows(table: pd.DataFrame) -> Iterator[str]:
    for column, kind, meaning in table.itertuples():
        yield f"| `{column}` | {kind} | {_prose(meaning).replace('|', '&#124;')} |"


def _commands() -> str:
    groups: dict[str, dict[str, Any]] = {
        "codim": {"python -m codim": TrainArguments}
        | {f"python -m codim {name}": flags for name, (flags, _) in COMMANDS.items()},
        "codim-study": {"python study/run.py": run.Arguments, "python -m study.check": check.Arguments},
        "codim-report": {"python -m analysis": ReportArguments}
        | {f"python -m analysis {name}": flags for name, (flags, _) in REPORT_COMMANDS.items()},
    }
    text = [
        "# Commands\n\nWhat `--help` says. In a checkout `python -m codim`, `python study/run.py` and `python -m "
        "analysis` are `codim`, `codim-study` and `codim-report`.\n"
    ]
    for program, commands in groups.items():
        for command, flags in commands.items():
            title = command.replace("python -m codim", program).replace("python study/run.py", program)
            title = title.replace("python -m analysis", program)
            text.append(f"## {title}\n\n```text\n{_help(flags, command, program)}\n```\n")
    return "\n".join(text)


def _help(flags: Any, command: str, program: str) -> str:
    """Return what `command --help` prints where the project is installed."""
    caught, called, width = io.StringIO(), sys.argv, os.environ.get("COLUMNS")
    sys.argv, os.environ["COLUMNS"] = [program], "100"
    try:
        with contextlib.redirect_stdout(caught), contextlib.suppress(SystemExit):
            parsed(flags, command, ["--help"])
    finally:
        sys.argv = called
        if width is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = width
    return re.sub(r"\x1b\[[\d;]*m", "", caught.getvalue()).strip()


def _python() -> str:
    text = ["# Python\n\nWhat users build on. All else may change with any version.\n"]
    for package in (codim, study, analysis):
        text.append(f"## {package.__name__}\n")
        text.append(f"::: {package.__name__}\n    options: {{show_root_heading: false, members: false}}\n")
        for name in package.__all__:
            if name != "__version__":
                title = f"{package.__name__}.{name}"
                text.append(f'::: {_place(package, name)}\n    options: {{heading: "{title}", toc_label: "{title}"}}\n')
    return "\n".join(text)


def _place(package: Any, name: str) -> str:
    """Return the full name by which the documentation finds a public name: that of the module that defines it."""
    value = getattr(package, name)
    if isinstance(value, dict):
        return {"METHODS": "codim.config.methods.METHODS", "NOISE_KINDS": "codim.noise.kinds.NOISE_KINDS"}[name]
    return f"{value.__module__}.{value.__qualname__}"


def _fields(section: type[Section]) -> list[tuple[str, Any]]:
    return list(section.model_fields.items())


def _section(annotation: Any) -> type[Section] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None


def _entry(name: str, field: Any, level: int = 0) -> str:
    """Return the documentation of one field: heading (none at level 0), what is allowed, default, and its docstring."""
    allowed = _allowed(_schema(field))
    default = "required" if field.is_required() else f"default `{_shown(field.get_default(call_default_factory=True))}`"
    heading = f"{'#' * level} `{name}` {{ #{name.replace('/', '-').replace(': ', '-')} }}\n\n" if level else ""
    facts = "; ".join(part for part in (allowed, default) if part)
    return f"{heading}*{facts}*\n\n{_prose(field.description or '')}\n"


def _schema(field: Any) -> dict[str, Any]:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticInvalidForJsonSchema

    try:
        return TypeAdapter(field.rebuild_annotation()).json_schema()
    except PydanticInvalidForJsonSchema:
        return {}


def _allowed(schema: Mapping[str, Any]) -> str:
    """Say in words what a JSON schema allows."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(filter(None, map(_allowed, schema["anyOf"]))))
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    kinds = {"number": "number", "integer": "whole number", "boolean": "`true` or `false`", "string": "text"}
    kinds |= {"array": "list", "object": "mapping", "null": "none"}
    bounds = [f"{words} {schema[key]:g}" for key, words in ALLOWED.items() if key in schema]
    kind = "path" if schema.get("format") == "path" else kinds.get(str(schema.get("type")), "")
    return ", ".join([kind, *bounds])


def _shown(value: object) -> str:
    shown = {None: "none", True: "true", False: "false"}
    return shown[value] if value is None or isinstance(value, bool) else f"{value}" or '""'


def _prose(text: str | None) -> str:
    """Return a docstring as one Markdown paragraph; outside of code, what looks like a tag is text."""
    parts = " ".join((text or "").split()).split("`")
    return "`".join(part if i % 2 else part.replace("<", "&lt;").replace("*", "\\*") for i, part in enumerate(parts))
