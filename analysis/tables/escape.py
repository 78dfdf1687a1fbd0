"""Escaping of user-supplied names in each export format.

Names hold no control characters (study/results/json_schema.py). HTML is escaped by Jinja, text for a terminal by
codim/text/safe_text.py, and figures parse no formulas (analysis/figures/style.py).
"""

import pandas as pd

from codim.text.safe_text import cell

_MARKDOWN = str.maketrans(
    {"<": "&lt;", ">": "&gt;", "&": "&amp;", **{character: f"\\{character}" for character in "\\`*_[]|~$"}}
)
_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedbl{}",
        # After the line break of a table these would be read as its arguments.
        **{character: f"{{{character}}}" for character in "[]*"},
        "±": r"$\pm$",
        "†": r"$^\dagger$",
        "–": "--",
    }
)


def markdown(text: str) -> str:
    """Escape text for Markdown and the HTML within it.

    Example:
        >>> markdown("1 < 2 & 3")
        '1 &lt; 2 &amp; 3'
    """
    return text.translate(_MARKDOWN)


def latex(text: str) -> str:
    """Escape text for LaTeX."""
    return text.translate(_LATEX)


def csv(frame: pd.DataFrame) -> str:
    """Format a frame as CSV; text that a spreadsheet would run as a formula gets a leading apostrophe."""
    safe = frame.rename(columns=lambda name: cell(name) if isinstance(name, str) else name)
    for name in safe.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in safe.dtypes]]:
        column = safe[name].astype(object)
        # The same few names stand in hundreds of thousands of rows.
        known = {value: cell(value) for value in column.unique() if isinstance(value, str)}
        safe[name] = column.map(lambda value, known=known: known.get(value, value))
    return safe.to_csv(index=False)
