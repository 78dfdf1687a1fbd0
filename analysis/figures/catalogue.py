"""Registry of the figures by name, in the order of the page."""

from collections.abc import Mapping
from types import MappingProxyType, ModuleType

from analysis.figures import (
    accuracy_by_noise,
    best_values,
    budget,
    confirmed,
    contours,
    critical_difference,
    degenerate,
    edf,
    history,
    importance,
    learning_curves,
    loss_histograms,
    memorisation,
    methods,
    mixture,
    optima,
    parallel_coordinates,
    pareto,
    rung_correlation,
    selection_regret,
    sensitivity,
    slices,
    split_quality,
    timeline,
    transitions,
    variance,
)

FIGURES: Mapping[str, ModuleType] = MappingProxyType(
    {
        "accuracy_by_noise": accuracy_by_noise,
        "methods": methods,
        "critical_difference": critical_difference,
        "confirmed": confirmed,
        "optima": optima,
        "best_values": best_values,
        "selection_regret": selection_regret,
        "variance": variance,
        "slices": slices,
        "importance": importance,
        "contours": contours,
        "parallel_coordinates": parallel_coordinates,
        "sensitivity": sensitivity,
        "transitions": transitions,
        "memorisation": memorisation,
        "split_quality": split_quality,
        "mixture": mixture,
        "loss_histograms": loss_histograms,
        "degenerate": degenerate,
        "history": history,
        "edf": edf,
        "learning_curves": learning_curves,
        "rung_correlation": rung_correlation,
        "pareto": pareto,
        "budget": budget,
        "timeline": timeline,
    }
)
"""Figure modules in the order of the page: first the findings, then why, then how, then the cost."""
