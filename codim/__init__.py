"""CoDiM: learning with noisy labels by contrastive pre-training, co-divide and contrastive semi-supervised learning.

In a program or a notebook, on uint8 images (N, H, W) or (N, H, W, 3) and their labels (N,):

    import codim

    trained = codim.train(images, labels, minutes=5)
    trained.predict(others)
    trained.audit()  # the labels that the networks contradict, the most suspicious first
"""

from typing import TYPE_CHECKING

from codim.lazy import lazily

if TYPE_CHECKING:
    from codim.estimator import Training, train

__all__ = ["Training", "train"]
__getattr__ = lazily(__name__, Training="estimator", train="estimator")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
