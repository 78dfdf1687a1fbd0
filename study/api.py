"""Studies from Python: `study.load_study` and `study.run_study`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from codim.extras import require_extra
from study import study_files
from study.driver import start
from study.results.folder import ResultsFolder
from study.spec import study_spec
from study.spec.study_spec import StudySpec


def load_study(space: str | Path, changes: Sequence[str] = ()) -> StudySpec:
    """Read and check a study file.

    Args:
        space: a path, or the name of a study file of the package.
        changes: `path/to/entry=value` each, which override the file.

    Raises:
        SpecError: a ValueError that names file, line, path, value and what is allowed.

    Example:
        >>> import study
        >>> spec = study.load_study("digits", ["budget/trials_per_condition=4"])
        >>> spec.name, spec.budget.trials_per_condition, list(spec.baselines)[0]
        ('digits', 4, 'ce')
    """
    return study_spec.load_study(study_files.study_file(space), changes)[0]


def run_study(
    space: str | Path,
    results: str | Path = "results",
    *,
    address: str | None = None,
    phase: Literal["search", "confirm", "all"] = "all",
    changes: Sequence[str] = (),
) -> ResultsFolder:
    """Run a study, or resume it, as `codim-study` does; return its results folder. Progress is shown on stderr.

    Args:
        space: a path, or the name of a study file of the package.
        results: folder that receives <name of the study>/, or its address on object storage.
        address: Ray cluster: auto or host:port. By default a private Ray is started on this machine.
        phase: search, confirm, or all: the search, then the confirmation that the study file asks for.
        changes: `path/to/entry=value` each, which override the file.

    Raises:
        ValueError: nothing was started, because the study file, the results folder or the cluster is not usable.
        RuntimeError: every trial failed.
        KeyboardInterrupt: the study was interrupted; the same call resumes it.

    Example:
        >>> import study
        >>> from tempfile import TemporaryDirectory
        >>> short = ["fixed/pretrain={epochs: 0}", "fixed/train={samples: 30000}", "pruner={kind: none}"]
        >>> one = ["conditions=[{kind: symmetric, rate: 0.5}]", "baselines={}", "budget/trials_per_condition=1"]
        >>> with TemporaryDirectory() as folder:
        ...     found = study.run_study("digits", folder, changes=[*short, *one, "confirm={seeds: 0}"])
        ...     [record.status for record in found.read_trials()]
        ['complete']
    """
    require_extra("study", "run_study")
    path = study_files.study_file(space)
    finished = start.start(path, results, address, False, None if phase == "all" else phase, changes)
    if finished is None:
        raise KeyboardInterrupt
    folder = start.results_folder(results, study_spec.load_study(path, changes)[0].name)
    if not finished:
        raise RuntimeError(f"every trial failed; {folder.at()} holds their records")
    return folder
