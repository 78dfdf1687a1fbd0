"""Slow and literal transcriptions of the losses' equations, on plain Python numbers."""

import math

from torch import Tensor


def nt_xent_oracle(z1: Tensor, z2: Tensor, t: float) -> float:
    """Chen et al. 2020, eq. 1: mean over the 2N views of -log(exp(s_ij/t) / sum_{a != i} exp(s_ia/t))."""
    n = len(z1)
    z = [*z1.tolist(), *z2.tolist()]
    total = 0.0
    for i in range(2 * n):
        j = i + n if i < n else i - n
        s = [sum(p * q for p, q in zip(z[i], z[a], strict=True)) / t for a in range(2 * n)]
        largest = max(s)
        denominator = sum(math.exp(s[a] - largest) for a in range(2 * n) if a != i)
        total += -(s[j] - largest - math.log(denominator))
    return total / (2 * n)


def sup_con_oracle(z1: Tensor, z2: Tensor, positives: Tensor, t: float) -> float:
    """Khosla et al. 2020, eq. 2 (L_out), the mean over i instead of the sum."""
    n = len(z1)
    z = [*z1.tolist(), *z2.tolist()]
    total = 0.0
    for i in range(2 * n):
        s = [sum(p * q for p, q in zip(z[i], z[a], strict=True)) / t for a in range(2 * n)]
        largest = max(s)
        denominator = sum(math.exp(s[a] - largest) for a in range(2 * n) if a != i)
        partners = [p for p in range(2 * n) if p != i and positives[i % n, p % n]]
        total += -sum(s[p] - largest - math.log(denominator) for p in partners) / len(partners)
    return total / (2 * n)


def trusted_pairs_oracle(targets: Tensor, trusted: Tensor) -> list[list[bool]]:
    """algorithm: one image, or both trusted and of one class."""
    classes = [row.index(max(row)) for row in targets.tolist()]
    n = range(len(classes))
    return [[i == j or bool(trusted[i] and trusted[j] and classes[i] == classes[j]) for j in n] for i in n]


def softmax(row: list[float]) -> list[float]:
    e = [math.exp(v - max(row)) for v in row]
    return [v / sum(e) for v in e]


def sharpen_oracle(p: list[float], t: float) -> list[float]:
    """MixMatch, eq. 7."""
    powers = [v ** (1 / t) for v in p]
    return [v / sum(powers) for v in powers]


def co_refine_oracle(label: int, w: float, p: list[float], t: float) -> list[float]:
    """DivideMix, eq. 3 and 4."""
    return sharpen_oracle([w * (c == label) + (1 - w) * p[c] for c in range(len(p))], t)


def co_guess_oracle(views: list[list[float]], t: float) -> list[float]:
    """DivideMix, eq. 5."""
    return sharpen_oracle([sum(column) / len(views) for column in zip(*views, strict=True)], t)


def soft_cross_entropy_oracle(logits: list[list[float]], targets: list[list[float]]) -> float:
    """DivideMix, eq. 9."""
    rows = zip(logits, targets, strict=True)
    return sum(-q * math.log(p) for z, t in rows for q, p in zip(t, softmax(z), strict=True)) / len(logits)


def brier_oracle(logits: list[list[float]], targets: list[list[float]]) -> float:
    """DivideMix, eq. 10, the mean over entries (as its code)."""
    rows = zip(logits, targets, strict=True)
    terms = [(p - q) ** 2 for z, t in rows for q, p in zip(t, softmax(z), strict=True)]
    return sum(terms) / len(terms)


def class_balance_oracle(logits: list[list[float]]) -> float:
    """DivideMix, eq. 11: sum_c pi_c log(pi_c / mean_i p_ic)."""
    k = len(logits[0])
    probabilities = [softmax(row) for row in logits]
    return sum(1 / k * math.log(1 / k / (sum(p[c] for p in probabilities) / len(logits))) for c in range(k))


def warmup_oracle(logits: list[list[float]], labels: list[int], penalty: float) -> float:
    """Cross-entropy + penalty * mean_i sum_c p log p (Pereyra et al. 2017)."""
    total = 0.0
    for row, label in zip(logits, labels, strict=True):
        p = softmax(row)
        total += -math.log(p[label]) + penalty * sum(v * math.log(v) for v in p)
    return total / len(logits)
