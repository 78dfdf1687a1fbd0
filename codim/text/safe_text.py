"""Names of files and classes as text that is safe to show: on a terminal, on a page, in a table."""

import re
import unicodedata

HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that steer a terminal, break a line, or turn the direction of the text around them; half characters."""
RAW_BYTES = re.compile("[\udc80-\udcff]+")
"""Bytes of a file's name that Python could not decode."""
FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""First characters of a formula in a spreadsheet, in full width too."""
LONGEST = 60
"""Characters of a shortened value."""
NUMBER = re.compile(r"[-+]?[0-9]+([.,][0-9]+)?")


def text_of(name: str) -> str:
    r"""A file's name as UTF-8 says it, whatever the locale is; bytes that are no UTF-8 become \xNN."""
    return RAW_BYTES.sub(
        lambda found: found[0].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"), name
    )


def class_name(name: str) -> str:
    """The one spelling of a name: accents composed (NFC), whichever way a system or a keyboard wrote them."""
    return unicodedata.normalize("NFC", text_of(name))


def printable(text: object) -> str:
    r"""One line that steers no terminal: whatever could is written as its escape (\x1b, \n, \u202e)."""
    return HIDDEN.sub(lambda found: repr(found[0])[1:-1], text_of(str(text)))


def message(text: object) -> str:
    """The same for a text of several lines, whose line breaks are our own."""
    return "\n".join(printable(line) for line in str(text).split("\n"))


def shortened(text: object) -> str:
    """A value for a message: printable, and not long."""
    shown = printable(text)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 3]}..."


def cell(text: str) -> str:
    """A cell of a table that spreadsheet programs open: printable, and with an apostrophe before what they would take
    for a formula (=, +, -, @ at the start of what is no number)."""
    shown = printable(text)
    return f"'{shown}" if shown.startswith(FORMULA) and not NUMBER.fullmatch(shown) else shown
