"""The base of every group of settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationInfo
from pydantic_core import PydanticCustomError

AbsolutePath = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]
"""Made absolute when the settings are read, because workers have other working directories."""


class Section(BaseModel):
    """Frozen settings; an unknown key is an error. A field's docstring is its documentation."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


def by_tag(tag: str, kinds: Mapping[str, type[Section]]) -> BeforeValidator:
    """Read settings as the section that their entry `tag` names in `kinds`, which may grow.

    The error for an unknown name has the type `unknown_tag`.
    """

    def read(settings: Any, info: ValidationInfo) -> Any:
        if not isinstance(settings, Mapping):
            return settings
        name = settings.get(tag)
        if name not in [*kinds]:
            fault = f"{tag} {name!r} is unknown" if tag in settings else f"{tag} is missing"
            raise PydanticCustomError(
                "unknown_tag", "{fault}; allowed: {names}", {"fault": fault, "names": ", ".join(kinds)}
            )
        return kinds[name].model_validate(settings, context=info.context)

    return BeforeValidator(read)
