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
    safe = frame.rename(columns=_no_formula)
    for name in safe.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in safe.dtypes]]:
        safe[name] = safe[name].astype(object).map(_no_formula)
    return safe.to_csv(index=False)


def _no_formula(value: object) -> object:
    return cell(value) if isinstance(value, str) else value
