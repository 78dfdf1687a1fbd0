"""Which given labels look wrong: one row an image, for a person to check."""

import pyarrow as pa
import torch
import torch.nn.functional as F
from torch import Tensor

from codim.datasets import TrainingData
from codim.divide import DivideConfig, divide, scale_losses


def label_audit(data: TrainingData, logits: Tensor, config: DivideConfig) -> pa.Table:
    """Columns, in the order of the training set: `index`, `given_label`, `clean_probability` (mean over both
    networks' mixtures of the losses now), `suggested_label` (of the ensemble), `confidence_a` and `confidence_b`
    (probability that each network gives to the suggested label).

    Args:
        logits: (2, N, K) over all of data.images.
    """
    losses = [F.cross_entropy(own, data.labels, reduction="none") for own in logits]
    index = torch.arange(len(data.labels), device=data.labels.device)
    clean = torch.stack([divide(scale_losses(own), index, config).clean_probability for own in losses]).mean(0)
    suggested = logits.sum(0).argmax(1)
    confidence = logits.softmax(2).gather(2, suggested.expand(2, -1)[..., None])[..., 0]
    columns = {
        "index": index,
        "given_label": data.labels,
        "clean_probability": clean,
        "suggested_label": suggested,
        "confidence_a": confidence[0],
        "confidence_b": confidence[1],
    }
    return pa.table({name: column.cpu().numpy() for name, column in columns.items()})
