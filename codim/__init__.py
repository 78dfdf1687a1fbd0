"""CoDiM: learning with noisy labels by contrastive pre-training, co-divide and contrastive semi-supervised learning.

In a program or a notebook, on uint8 images (N, H, W) or (N, H, W, 3), or embeddings (N, D), and their labels (N,):

    import codim

    trained = codim.train(images, labels, minutes=5)
    trained.predict(others)
    trained.audit()  # the labels that the networks contradict, the most suspicious first

With the data sets and the kinds of noise that settings name, step by step:

    config = codim.train_config({"method": "codim-sup", "noise": {"kind": "symmetric", "rate": 0.5}})
    session = codim.Session.load(config)
    session.start()
    for row in session.epochs():
        session.save(Path("checkpoint.pt"))
    codim.predict("checkpoint.pt", others)

Settings name a method of METHODS, each with what it sets, and a kind of noise of NOISE_KINDS, each with its settings:

    >>> import codim
    >>> list(codim.METHODS)
    ['ce', 'dividemix', 'c2d', 'codim-self', 'codim-sup', 'cssl']
    >>> codim.METHODS["c2d"]
    {'contrastive': {'weight': 0}}
    >>> list(codim.NOISE_KINDS)
    ['none', 'symmetric', 'asymmetric', 'pairflip', 'instance', 'openset', 'file']
    >>> codim.NOISE_KINDS["symmetric"](rate=0.5).label
    'symmetric-0.5'

The version that is installed:

    >>> codim.__version__.split(".")[0]
    '0'
"""

from typing import TYPE_CHECKING

from codim.lazy import lazily

if TYPE_CHECKING:
    from codim.classifier import NoisyLabelClassifier
    from codim.config.methods import METHODS
    from codim.config.train_config import train_config
    from codim.data.load import load_data, register_dataset
    from codim.estimator import Training, train
    from codim.finished import audit, export, predict
    from codim.models.encoders import register_encoder
    from codim.noise.kinds import NOISE_KINDS, register_noise_kind
    from codim.training.cssl import register_loss_term
    from codim.training.session import Session
    from codim.version import __version__

__all__ = [
    "METHODS",
    "NOISE_KINDS",
    "NoisyLabelClassifier",
    "Session",
    "Training",
    "__version__",
    "audit",
    "export",
    "load_data",
    "predict",
    "register_dataset",
    "register_encoder",
    "register_loss_term",
    "register_noise_kind",
    "train",
    "train_config",
]
__getattr__ = lazily(
    __name__,
    METHODS="config.methods",
    NOISE_KINDS="noise.kinds",
    NoisyLabelClassifier="classifier",
    Session="training.session",
    Training="estimator",
    __version__="version",
    audit="finished",
    export="finished",
    load_data="data.load",
    predict="finished",
    register_dataset="data.load",
    register_encoder="models.encoders",
    register_loss_term="training.cssl",
    register_noise_kind="noise.kinds",
    train="estimator",
    train_config="config.train_config",
)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
