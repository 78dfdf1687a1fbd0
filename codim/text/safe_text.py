"""Names of files and classes as text that is safe to show: on a terminal, on a page, in a table."""

import re
import unicodedata

HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters of terminals, line breaks, characters that change the text direction, and lone surrogates."""
RAW_BYTES = re.compile("[\udc80-\udcff]+")
"""Bytes of a file name that Python could not decode, as surrogates."""
FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""First characters of spreadsheet formulas, full-width ones too."""
LONGEST = 60
"""Maximum length of a shortened value, in characters."""
NUMBER = re.compile(r"[-+]?[0-9]+([.,][0-9]+)?")


def text_of(name: str) -> str:
    r"""Decode a file name as UTF-8, whatever the locale; bytes that are not UTF-8 become \xNN."""
    return RAW_BYTES.sub(
        lambda found: found[0].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"), name
    )


def class_name(name: str) -> str:
    """Normalise a name: accents composed (NFC), so that one name from several systems compares equal."""
    return unicodedata.normalize("NFC", text_of(name))


def printable(text: object) -> str:
    r"""Return text as one line without control characters: they are written as escapes (\x1b, \n, \u202e).

    Example:
        >>> printable("a\nb\x1b[0m")
        'a\\nb\\x1b[0m'
    """
    return HIDDEN.sub(lambda found: repr(found[0])[1:-1], text_of(str(text)))


def message(text: object) -> str:
    """Return text whose line breaks are intended, with each line made `printable`."""
    return "\n".join(printable(line) for line in str(text).split("\n"))


def shortened(text: object) -> str:
    """Return a value for a message: printable, and at most LONGEST characters."""
    shown = printable(text)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 3]}..."


def cell(text: str) -> str:
    """Return a table cell that is safe in spreadsheet programs: printable, and with an apostrophe before what they
    would read as a formula (starts with =, +, -, @ and is not a number).

    Example:
        >>> cell("=A1"), cell("-1.5")
        ("'=A1", '-1.5')
    """
    shown = printable(text)
    return f"'{shown}" if shown.startswith(FORMULA) and not NUMBER.fullmatch(shown) else shown
