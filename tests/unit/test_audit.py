"""The audit of given labels, by a hand-made case."""

import torch

from codim.audit import label_audit
from codim.datasets import TrainingData
from codim.divide import DivideConfig


def test_a_label_that_both_networks_contradict_is_found() -> None:
    """30 images of three classes; image 4 carries the next class's label, and both networks say so."""
    true = torch.arange(30) % 3
    given = true.clone()
    given[4] = (true[4] + 1) % 3
    logits = torch.nn.functional.one_hot(true, 3).float() * torch.tensor([4.0, 6.0])[:, None, None]
    images = torch.zeros(30, 1, 8, 8, dtype=torch.uint8)
    data = TrainingData(images, given, torch.arange(25), torch.arange(25, 30), ("a", "b", "c"))
    table = label_audit(data, logits, DivideConfig()).to_pydict()
    assert table["index"] == list(range(30))
    assert table["given_label"] == given.tolist()
    assert table["suggested_label"] == true.tolist()
    clean = table["clean_probability"]
    assert clean[4] < 0.01
    assert min(clean[:4] + clean[5:]) > 0.99
    expected = logits.softmax(2)[:, torch.arange(30), true]
    torch.testing.assert_close(torch.tensor([table["confidence_a"], table["confidence_b"]]), expected)
