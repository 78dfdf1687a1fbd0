"""Networks: encoder, classifier and projection head. Evaluation and training import it."""

from codim.lazy import lazily

__getattr__ = lazily(__name__, Network="network", seeded_network="network", register_encoder="encoders")
