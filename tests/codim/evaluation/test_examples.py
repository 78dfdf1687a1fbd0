"""Examples of labels found wrong, missed and doubted: which images, in which order, and how many there are."""

import torch

from codim.evaluation.evaluate import Evaluation
from codim.evaluation.examples import examples

NAN = float("nan")
#                            found        missed       doubted  neither
LOSSES = torch.tensor([[5.0, 9.0, 7.0, 0.3, 0.1, 0.2, 4.0, 0.0]] * 2)
AGREES = torch.tensor([False, False, False, True, True, True, False, True])
CLEAN = torch.tensor([False, False, False, False, False, False, True, True])
IMAGES = torch.arange(8) + 10
SEEN = Evaluation(IMAGES, LOSSES, AGREES, NAN, NAN, NAN, NAN)


def test_the_surest_of_each_kind_come_first() -> None:
    clean = torch.ones(18, dtype=torch.bool)
    clean[IMAGES] = CLEAN
    found = {group.kind: (group.count, group.index.tolist()) for group in examples(SEEN, clean, 2)}
    assert found == {"found": (3, [11, 12]), "missed": (3, [14, 15]), "doubted": (1, [16])}


def test_without_true_labels_only_the_networks_word_is_told() -> None:
    (group,) = examples(SEEN, None, 10)
    assert (group.kind, group.count, group.index.tolist()) == ("contradicted", 4, [11, 12, 10, 16])


def test_both_networks_count() -> None:
    losses = torch.stack([LOSSES[0], LOSSES[0].flip(0)])
    (group,) = examples(SEEN._replace(losses=losses), None, 1)
    assert group.index.tolist() == [11]  # 9 and 4
