"""Predictions, and what an observer with true labels makes of them."""

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from codim.augment import Augmenter
from codim.datasets import TrainingData, Truth
from codim.divide import Division
from codim.metrics import OracleMetrics
from codim.networks import Network
from codim.parallel import gather, share, workers

NAN = float("nan")


@torch.no_grad()
def predict(
    networks: list[Network], images: Tensor, augmenter: Augmenter, index: Tensor | None = None, batch_size: int = 1024
) -> Tensor:
    """Logits (networks, N, K) of uint8 images without augmentation, in evaluation mode; each worker's share of the
    passes gathered.

    Args:
        index: (N,) which of the images; all by default.
    """
    for net in networks:
        net.eval()
    if index is None:
        index = torch.arange(len(images), device=images.device)
    # The first images once more, where the workers' shares would differ in length.
    padded = torch.cat([index, index[: -len(index) % workers()]])
    parts = []
    for chunk in share(padded).split(batch_size):
        x = augmenter.plain(images[chunk])
        parts.append(torch.stack([net(x) for net in networks], dim=1))
    return gather(torch.cat(parts))[: len(index)].transpose(0, 1).contiguous()


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of (N, K) logits whose largest entry is the label; NaN for no samples."""
    return (logits.argmax(1) == labels).double().mean().item()


class Observer:
    """Measures against true labels and test images. Training never holds one; its caller may."""

    def __init__(self, data: TrainingData, truth: Truth, augmenter: Augmenter) -> None:
        self.truth, self.augmenter = truth, augmenter
        self.train_index, self.given = data.train_index, data.labels
        self.clean = self.given == truth.labels

    def measure(self, networks: list[Network], logits: Tensor, divisions: list[Division]) -> OracleMetrics:
        """After an epoch. `logits` (2, N, K) over all of TrainingData.images; `divisions`: empty before co-training."""
        test = predict(networks, self.truth.test_images, self.augmenter)
        labels = self.truth.test_labels
        seen = self.train_index[logits[0, self.train_index, 0].isfinite()]
        wrong = seen[~self.clean[seen]]
        predicted = logits[:, wrong].sum(0).argmax(1)
        split = torch.tensor([self._split_quality(d) for d in divisions] or [(NAN, NAN, NAN)]).mean(0).tolist()
        return OracleMetrics(
            oracle_test_acc=accuracy(test.sum(0), labels),
            oracle_test_acc_a=accuracy(test[0], labels),
            oracle_test_acc_b=accuracy(test[1], labels),
            oracle_split_auc=split[0],
            oracle_split_precision=split[1],
            oracle_split_recall=split[2],
            oracle_memorised=(predicted == self.given[wrong]).double().mean().item(),
        )

    def _split_quality(self, division: Division) -> tuple[float, float, float]:
        clean = self.clean[division.index]
        hits = (division.labelled & clean).sum().item()
        both_kinds = bool(clean.any()) and not bool(clean.all())
        auc = roc_auc_score(clean.cpu(), division.clean_probability.cpu()) if both_kinds else NAN
        return auc, hits / max(int(division.labelled.sum()), 1), hits / max(int(clean.sum()), 1)
