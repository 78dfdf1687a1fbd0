"""Predictions of a training for its validation images, averaged over its last epochs."""

import numpy as np
import torch

from codim.noise.transition import Floats
from codim.training.session import Session
from study.results.predictions import encode, kept

TAIL = 0.1
"""Share of the budget over whose epochs predictions are averaged."""


class Tail:
    """Mean class probabilities over the last epochs, from the call of this process on: an interruption leaves fewer."""

    def __init__(self, session: Session) -> None:
        self.session = session
        images = session.data.val_index
        count = kept(len(images), len(session.data.classes))
        self.index = images[torch.linspace(0, len(images) - 1, count).round().long().to(images.device)]
        self._sum: Floats | float = 0.0

    def after_epoch(self) -> str:
        """Call it after each epoch; return the predictions once the budget is drawn, before that nothing."""
        drawn, budget = self.session.state.samples, self.session.config.train.samples
        if not len(self.index) or (drawn <= (1 - TAIL) * budget and drawn < budget):
            return ""
        self._sum = self._sum + self.session.predict(self.index).mean(0).double().softmax(1).cpu().numpy()
        if drawn < budget:
            return ""
        total = np.asarray(self._sum)
        return encode(total / total.sum(1, keepdims=True), self.session.data.labels[self.index].cpu().numpy())
