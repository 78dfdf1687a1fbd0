"""Predictions, and what an observer with true labels makes of them."""

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from codim.augment import Augmenter
from codim.datasets import TrainingData, Truth
from codim.divide import Division
from codim.image_cache import Images
from codim.metrics import OracleMetrics
from codim.networks import Network

NAN = float("nan")


@torch.no_grad()
def predict(networks: list[Network], images: Images, augmenter: Augmenter, batch_size: int = 1024) -> Tensor:
    """Logits (networks, N, K) of uint8 images without augmentation, in evaluation mode."""
    for net in networks:
        net.eval()
    parts = []
    for chunk in images.split(batch_size):
        x = augmenter.plain(chunk)
        parts.append(torch.stack([net(x) for net in networks]))
    return torch.cat(parts, dim=1)


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of (N, K) logits whose largest entry is the label; NaN for no samples."""
    return (logits.argmax(1) == labels).double().mean().item()


class Observer:
    """Measures against true labels and test images. Training never holds one; its caller may."""

    def __init__(self, data: TrainingData, truth: Truth, augmenter: Augmenter) -> None:
        self.truth, self.augmenter = truth, augmenter
        self.train_index = data.train_index
        self.given = data.labels[data.train_index]
        self.clean = None if truth.clean is None else truth.clean[data.train_index]

    def measure(self, networks: list[Network], logits: Tensor, divisions: list[Division]) -> OracleMetrics:
        """After an epoch. `logits` (2, N, K) over all of TrainingData.images; `divisions`: empty before co-training."""
        labels = self.truth.test_labels
        test = predict(networks, self.truth.test_images, self.augmenter) if len(labels) else logits[:, :0]
        memorised, split = NAN, [NAN, NAN, NAN]
        if self.clean is not None:
            predicted = logits.sum(0)[self.train_index].argmax(1)
            wrong = ~self.clean
            memorised = (predicted[wrong] == self.given[wrong]).double().mean().item()
            if divisions:
                split = torch.tensor([_split_quality(d, self.clean) for d in divisions]).mean(0).tolist()
        return OracleMetrics(
            oracle_test_acc=accuracy(test.sum(0), labels),
            oracle_test_acc_a=accuracy(test[0], labels),
            oracle_test_acc_b=accuracy(test[1], labels),
            oracle_split_auc=split[0],
            oracle_split_precision=split[1],
            oracle_split_recall=split[2],
            oracle_memorised=memorised,
        )


def _split_quality(division: Division, clean: Tensor) -> tuple[float, float, float]:
    hits = (division.labelled & clean).sum().item()
    both_kinds = bool(clean.any()) and not bool(clean.all())
    auc = roc_auc_score(clean.cpu(), division.clean_probability.cpu()) if both_kinds else NAN
    return auc, hits / max(int(division.labelled.sum()), 1), hits / max(int(clean.sum()), 1)
