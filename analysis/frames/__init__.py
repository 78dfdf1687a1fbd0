"""Reading of a results folder as data frames. All of the analysis imports it; it alone reads files of a study."""

from codim.lazy import lazily

__getattr__ = lazily(__name__, Trials="load", load_trials="load", searched_settings="settings")
