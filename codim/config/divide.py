"""Settings of co-divide."""

from typing import Literal, Self

from pydantic import Field, model_validator

from codim.section import AbsolutePath, Section


class DivideConfig(Section):
    """Co-divide: how samples are split into a labelled and an unlabelled set."""

    split: Literal["mixture", "given"] = "mixture"
    """mixture: the labelled set holds the samples whose losses suggest a correct label. given: it is fixed, all its
    labels are trusted and no other label is read; there is no warm-up then (CSSL)."""
    measure: Literal["loss", "probability", "margin", "contradictions"] = "loss"
    """mixture: what the mixture is fitted to. loss: the cross-entropy of the last `loss_history` epochs. The others are
    means over all epochs, warm-up included: probability of the given label, margin (its logit less the largest other
    one), share of the epochs whose prediction contradicts it (codim/evaluation/label_statistics.py has the sources)."""
    p_threshold: float = Field(default=0.5, ge=0, le=1)
    """Threshold: samples of higher clean probability are labelled. (.5; .6 at symmetric .9; C2D .03 at CIFAR-100 sym
    .8)"""
    by_class: bool = False
    """Fit one mixture to the losses of each given class, so that the division does not discard a rare or difficult
    class whole; a class with fewer than 20 images, or equal losses, keeps the clean probabilities of the mixture over
    all. (Class-wise selection: UNICON, ProMix)"""
    loss_history: int = Field(default=1, ge=1)
    """Number of epochs, warm-up included, over which the scaled losses are averaged. (The reference code uses 5 where
    the *true* rate is .9, and starts after the warm-up.)"""
    noise_rate: float | None = Field(default=None, ge=0, lt=1)
    """mixture: share of wrong labels, where it is known: the unlabelled set then holds that share of the images, those
    of lowest clean probability, and `p_threshold` does not count (Han et al. 2018, Co-teaching, keeps 1 - the noise
    rate of each batch). None: the threshold decides."""
    reg_covar: float = Field(default=5e-4, gt=0)
    """Regularisation added to the variances of the mixture."""
    labels_per_class: int = Field(default=0, ge=0)
    """given: number of labelled samples per class; 0: `labelled_file` names them."""
    labels_seed: int = Field(default=0, ge=0)
    """given: seed of the draw of `labels_per_class`."""
    labelled_file: AbsolutePath | None = None
    """given: .npy, or text with one number per line: zero-based positions of the labelled images in the training
    set."""

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
