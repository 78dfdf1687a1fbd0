"""Settings of the semi-supervised loss."""

from typing import Annotated

from pydantic import AfterValidator, Field

from codim.section import Section

TERM_NAMES: set[str] = set()
"""Names of further loss terms; `codim.training.cssl.register_loss_term` adds them."""


def _registered(name: str) -> str:
    if name not in TERM_NAMES:
        raise ValueError(f"unknown loss term; allowed: {', '.join(sorted(TERM_NAMES)) or 'none is registered'}")
    return name


class MixMatchConfig(Section):
    """The semi-supervised part of stage 3."""

    lambda_u: float = Field(default=25.0, ge=0)
    """Weight of the unlabelled loss after the ramp-up. Reference: 0 to 50 on CIFAR-10, 25 to 150 on CIFAR-100. In short
    trainings the guessed labels are wrong more often, and 2 does better, above all where few labels are wrong
    (benchmarks/README.md)."""
    rampup_epochs: float = Field(default=16.0, ge=0)
    """Length of the linear ramp-up of `lambda_u` after the warm-up; one epoch here = as many samples as the training
    part has."""
    alpha: float = Field(default=4.0, ge=0.01)
    """Parameter of MixUp's Beta distribution."""
    temperature: float = Field(default=0.5, gt=0)
    """Sharpening temperature T."""
    guess_in_train_mode: bool = True
    """The trained network guesses labels in training mode, so that its batch norm statistics move (as the reference
    code)."""
    terms: dict[Annotated[str, AfterValidator(_registered)], float] = Field(default={})
    """Weights of further loss terms, each registered by name (`codim.training.cssl.register_loss_term`)."""
