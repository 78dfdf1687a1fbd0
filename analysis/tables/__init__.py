"""Tables of a study, computed from its data frames. Statistics and everything above may import it."""

from codim.lazy import lazily

__getattr__ = lazily(
    __name__,
    method_table="study_tables",
    regret_table="study_tables",
    comparison_table="study_tables",
    settings_table="study_tables",
    chosen="selection",
)
