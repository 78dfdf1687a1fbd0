"""The split into training and validation part, and the index streams."""

import itertools

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from codim.data.batches import endless_batches
from codim.data.splits import stratified_split


@given(
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=8).filter(any),
    fraction=st.floats(0, 0.99),
    seed=st.integers(0, 10**6),
)
def test_stratified_split(counts: list[int], fraction: float, seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    train, val = stratified_split(labels, fraction, seed)
    assert np.array_equal(np.sort(np.concatenate([train, val])), np.arange(len(labels))), "disjoint and complete"
    assert np.array_equal(train, np.sort(train))
    assert np.array_equal(val, np.sort(val))
    for c, n in enumerate(counts):
        share = int((labels[val] == c).sum())
        assert abs(share - fraction * n) <= max(0.5, 1 if share == n - 1 else 0)
        assert share < n or n == 0, "a class has no training sample"

    again = stratified_split(labels, fraction, seed)
    assert np.array_equal(train, again[0])
    assert np.array_equal(val, again[1])


def test_other_seeds_split_otherwise() -> None:
    labels = np.arange(200) % 4
    assert not np.array_equal(stratified_split(labels, 0.3, 0)[1], stratified_split(labels, 0.3, 1)[1])


@given(n=st.integers(1, 30), size=st.integers(1, 40), seed=st.integers(0, 10**6))
def test_endless_batches(n: int, size: int, seed: int) -> None:
    """Full batches; after any number of draws each entry has come equally often, up to one pass."""
    index = torch.arange(n) * 3 + 5
    batches = endless_batches(index, size, torch.Generator().manual_seed(seed))
    drawn = list(itertools.islice(batches, 12))
    assert all(batch.shape == (size,) for batch in drawn)
    flat = torch.cat(drawn)
    for start in range(0, len(flat) - n + 1, n):
        assert torch.equal(flat[start : start + n].sort().values, index), "one pass is one permutation"


def test_passes_differ_and_follow_the_seed() -> None:
    index = torch.arange(50)
    one, again, other = (endless_batches(index, 50, torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    first, second = next(one), next(one)
    assert not torch.equal(first, second)
    assert torch.equal(first, next(again))
    assert not torch.equal(first, next(other))
