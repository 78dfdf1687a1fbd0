"""Settings of the division."""

from typing import Literal, Self

from pydantic import Field, model_validator

from codim.section import AbsolutePath, Section


class DivideConfig(Section):
    """Co-divide: which samples count as labelled."""

    split: Literal["mixture", "given"] = "mixture"
    """mixture: those whose losses say that their label is right. given: a fixed set, all its labels trusted and no
    other label read; there is no warm-up then (CSSL)."""
    p_threshold: float = Field(default=0.5, ge=0, le=1)
    """Samples with a clean probability above this are the labelled set. (.5; .6 at symmetric .9; C2D .03 at CIFAR-100
    sym .8)"""
    loss_history: int = Field(default=1, ge=1)
    """Number of epochs, of warm-up too, whose scaled losses are averaged. (The reference code takes 5 where the *true*
    rate is .9, and begins after the warm-up.)"""
    reg_covar: float = Field(default=5e-4, gt=0)
    """Added to the variances of the mixture."""
    labels_per_class: int = Field(default=0, ge=0)
    """given: so many samples of each class are labelled; 0: `labelled_file` says which."""
    labels_seed: int = Field(default=0, ge=0)
    """given: of the draw of `labels_per_class`."""
    labelled_file: AbsolutePath | None = None
    """given: .npy, or text with a number a line: places of the labelled images in the order of the training set, from
    0."""

    @model_validator(mode="after")
    def _given(self) -> Self:
        ways = bool(self.labels_per_class) + (self.labelled_file is not None)
        if ways != (self.split == "given"):
            allowed = "with split: given either labels_per_class or labelled_file; with split: mixture neither"
            raise ValueError(
                f"split: {self.split} with {ways} of labels_per_class and labelled_file; allowed: {allowed}"
            )
        if self.labelled_file is not None and not self.labelled_file.is_file():
            raise ValueError(f"labelled_file: {self.labelled_file} does not exist")
        return self
