"""Settings of the contrastive term."""

from typing import Literal

from pydantic import Field

from codim.section import Section


class ContrastiveConfig(Section):
    """The contrastive term L_C of stage 3 (a reconstruction: the paper's form is not public)."""

    kind: Literal["self", "sup", "both"] = "sup"
    """self: NT-Xent. sup: SupCon, where trusted samples of one class are positives too. both: their weighted sum."""
    weight: float = Field(default=0.1, ge=0)
    """lambda_c. 0 switches the term off (DivideMix, C2D)."""
    sup_weight: float = Field(default=1.0, ge=0)
    """both: weight of SupCon where NT-Xent has 1; lambda_c multiplies their sum."""
    temperature: float = Field(default=0.3, gt=0)
    """Contrastive temperature t."""
    sets: Literal["labelled", "unlabelled", "both"] = "both"
    """Which sets enter the term."""
    running_statistics: bool = True
    """Whether the strong views move batch norm's running statistics, with which predictions are made of plain views."""
    confidence: float = Field(default=0.8, ge=0, le=1)
    """sup: an unlabelled sample is trusted when the largest entry of its guessed target reaches this."""
