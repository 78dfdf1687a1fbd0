"""Planning: a study file checked against settings and data, and the trials that follow from it. No Ray, no Optuna. All
but the spec and the results may import it.
"""

from codim.lazy import lazily

__getattr__ = lazily(__name__, Plan="plan", load_plan="plan")
