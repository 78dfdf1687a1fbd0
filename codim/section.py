"""Base class of all groups of settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationInfo
from pydantic_core import PydanticCustomError

AbsolutePath = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]
"""Path made absolute when the settings are read, because workers have other working directories."""


class Section(BaseModel):
    """Base of all settings: frozen, unknown keys are errors, and a field's docstring is its documentation."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


def by_tag(tag: str, kinds: Mapping[str, type[Section]]) -> BeforeValidator:
    """Validate settings as the section that `kinds` holds for their entry `tag`; `kinds` may grow later.

    An unknown name raises an error of the type `unknown_tag`.
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
