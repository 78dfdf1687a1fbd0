"""All settings, one module per section: `mixmatch/lambda_u` is in codim/config/mixmatch.py. TrainConfig composes them,
with presets of the methods and facts about data sets. Everything above in codim may import it, and so may the study and
the analysis; it never imports torch.
"""

from codim.lazy import lazily

__getattr__ = lazily(__name__, TrainConfig="train_config", train_config="train_config", METHODS="methods")
