"""Examples of the images whose labels a trial finds wrong, misses or doubts, as text: rows of epochs and metadata hold
them, and a page shows them without the data."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from codim.metrics import LabelKind
from codim.text.safe_text import printable
from study.results.json_schema import Count

MOST = 20
"""Maximum number of images of a kind."""
LONGEST = 200
"""Maximum length of a name, in characters."""
Name = Annotated[str, Field(max_length=LONGEST), AfterValidator(printable)]


class _Stored(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class Example(_Stored):
    """One image."""

    index: Count
    """Position in the training set."""
    file: Name
    """End of its file's path; empty if the images have no files."""
    given: Name
    predicted: Name
    true: Name
    """Empty if it is unknown, or none of the classes."""
    image: Annotated[str, Field(max_length=2**17, pattern=r"^data:image/(png|jpeg);base64,[A-Za-z0-9+/]+=*$")]
    """Thumbnail as a data: URL."""


class Group(_Stored):
    """Images of one kind, the surest first."""

    kind: LabelKind
    count: Count
    """Number of all images of this kind in the training part."""
    images: Annotated[list[Example], Field(max_length=MOST)]


class Examples(_Stored):
    """What a trial makes of its labels, by examples."""

    images: Count
    """Number of images in the training part."""
    side: Annotated[int, Field(ge=1, le=1024)]
    """Longest side of the thumbnails, in pixels."""
    groups: Annotated[list[Group], Field(max_length=4)]


def encode(examples: Examples) -> str:
    """Return the text of examples."""
    return examples.model_dump_json()


def decode(text: str) -> Examples:
    """Return what `encode` was given. Raises ValueError if the text is damaged."""
    return Examples.model_validate_json(text)
