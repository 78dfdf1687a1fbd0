"""Text of others on a terminal: nothing in it is obeyed, and a line stays one line."""

LONGEST = 60


def printable(text: object, keep: str = "") -> str:
    """The text with control and other invisible characters spelt out, all but those of `keep`."""
    return "".join(c if c.isprintable() or c in keep else ascii(c)[1:-1] for c in str(text))


def shortened(text: object) -> str:
    """A value for a message: printable, and not long."""
    shown = printable(text)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 3]}..."
