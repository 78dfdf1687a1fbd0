"""Opening of a results folder for reading, on this machine or on object storage."""

from pathlib import Path

from study.results.folder import ResultsFolder
from study.results.object_storage import is_remote
from study.results.remote import RemoteResults


def open_results(path: Path | str) -> ResultsFolder:
    """Open the results folder of a study, finished or running, to read its trials and their epochs.

    Args:
        path: a folder, or its address on object storage (s3://bucket/folder/study).

    Raises:
        ValueError: it is not a results folder, or object storage cannot be reached.

    Example:
        >>> import analysis, study
        >>> results = study.open_results(Path(analysis.__file__).with_name("example"))
        >>> records = results.read_trials()
        >>> len(records), records[0].trial, records[0].status
        (224, 'symmetric-0.2-0000', 'complete')
        >>> results.read_epochs(records[0].trial)[0]["phase"]
        'warmup'
    """
    folder = find_results(path)
    require_results(folder)
    return folder


def find_results(path: Path | str) -> ResultsFolder:
    """Return a results folder that nobody has looked into yet. Raises ValueError: object storage cannot be reached."""
    return RemoteResults.of(str(path)) if is_remote(path) else ResultsFolder(path)


def require_results(folder: ResultsFolder) -> None:
    """Bring a results folder up to date. Raises ValueError: it holds neither the study file nor trials."""
    folder.refresh()
    wanted = "give a study's results folder, which holds spec.json and trials.parquet"
    if not folder.root.is_dir():
        raise ValueError(f"{folder.root} is not a folder; {wanted}")
    if not folder.spec.exists() and not folder.trials.exists():
        raise ValueError(f"{folder.root} holds neither spec.json nor trials.parquet; {wanted}")
