"""Training: the stages in order as an iterator over epochs, its state, schedules and checkpoints. A Session joins them
with data and observer. The commands import it, and so does the study.
"""

from codim.lazy import lazily

__getattr__ = lazily(__name__, Session="session", run_epochs="loop", TrainState="state", register_loss_term="cssl")
