"""Yes and no as people write them into tables."""

YES, NO = ("true", "yes", "1"), ("false", "no", "0", "")


def yes(text: str) -> bool | None:
    """Return whether a cell says yes; an empty one says no; None if it says neither.

    Example:
        >>> yes("Yes"), yes(""), yes("maybe")
        (True, False, None)
    """
    word = text.strip().casefold()
    return word in YES if word in YES + NO else None
