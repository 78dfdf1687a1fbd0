"""Results of a study: records, tables, rules for them, the results folder and object storage. The study writes it, the
analysis reads it.
"""

from codim.lazy import lazily

__getattr__ = lazily(__name__, ResultsFolder="folder", TrialRecord="records")
