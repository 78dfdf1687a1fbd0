"""One model of all trials of a study: settings, noise and objective, with known errors. The search proposes by it, the
confirmation chooses by it, and the analysis advises by it."""

from codim.lazy import lazily

__getattr__ = lazily(__name__, Surrogate="process", fit="process", Known="task", Task="task")
