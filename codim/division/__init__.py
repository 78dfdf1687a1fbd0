"""Co-divide: losses -> mixture -> clean probability -> labelled and unlabelled set. Or a labelled set that is given in
its place. Evaluation and training import it.
"""

from codim.lazy import lazily

__getattr__ = lazily(__name__, Division="divide", Mixture="mixture", fit_mixture="mixture")
