"""Presets of the methods: ce, dividemix, c2d, codim-self, codim-sup and cssl as settings."""

from typing import Any

METHODS: dict[str, dict[str, dict[str, Any]]] = {
    "ce": {"pretrain": {"epochs": 0}, "train": {"co_training": False}},
    "dividemix": {"pretrain": {"epochs": 0}, "contrastive": {"weight": 0}},
    "c2d": {"contrastive": {"weight": 0}},
    "codim-self": {"contrastive": {"kind": "self"}},
    "codim-sup": {"contrastive": {"kind": "sup"}},
    "cssl": {"divide": {"split": "given"}, "train": {"epoch": "dataset"}},
}
"""Method -> the settings that define it. Naming a method and contradicting its settings is an error."""
