"""The study files that come with the package, by name."""

from pathlib import Path

from study.errors import SpecError

FOLDER = Path(__file__).with_name("search_spaces")


def known_studies() -> list[str]:
    """Return the names of the study files of the package."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def study_file(space: str | Path) -> Path:
    """Return the path of a study file. Raises SpecError: there is no study file of this name.

    Args:
        space: a path, or the name of a study file of the package; a file of that name in the working folder comes
            first.

    Example:
        >>> study_file("digits").name, study_file("my_folder/own.yaml").name
        ('digits.yaml', 'own.yaml')
    """
    path = Path(space)
    if path.is_file() or path.suffix or len(path.parts) != 1:
        return path
    if path.name not in known_studies():
        allowed = ", ".join(known_studies())
        raise SpecError(f"{space}: there is no study of this name; allowed: {allowed}, or the path of a study file")
    return (FOLDER / f"{path.name}.yaml").resolve()
