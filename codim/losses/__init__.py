"""Loss functions: pure functions of tensors, each with its paper and equation. Training imports it."""

from codim.lazy import lazily

__getattr__ = lazily(
    __name__, nt_xent="contrastive", sup_con="contrastive", co_refine="mixmatch", co_guess="mixmatch", mixup="mixmatch"
)
