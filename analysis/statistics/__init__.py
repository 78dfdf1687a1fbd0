"""Statistics: intervals, tests, importance. Figures, advice, export and page import it."""

from codim.lazy import lazily

__getattr__ = lazily(
    __name__,
    interval="intervals",
    importance_table="importance",
    resolution_table="resolution",
    confirmation_table="confirmation",
)
