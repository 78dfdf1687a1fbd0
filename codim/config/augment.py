"""Settings of the augmented views."""

from pydantic import Field

from codim.section import Section


class AugmentConfig(Section):
    """Plain views (evaluation), weak views (guessing, MixUp) and strong views (contrast)."""

    size: int = Field(default=0, ge=0)
    """Side length of all views in pixels; at most that of the images. Plain views are the central square. 0: the
    image's own size. (227 of 256: DivideMix on WebVision; 224 of 256: on Clothing1M)"""
    crop_padding: int = Field(default=4, ge=0)
    """Weak: zero padding on each side before a crop of the view's size, in pixels."""
    flip: bool = True
    """Weak and strong: mirror left-right with probability 1/2."""
    strong_scale_min: float = Field(default=0.2, gt=0, le=1)
    """Strong: smallest crop, as a share of the image's area; the largest is 1. (.2: SupContrast's code)"""
    strong_rotation: float = Field(default=0.0, ge=0, le=180)
    """Strong: largest rotation in either direction, in degrees."""
    strong_jitter: float = Field(default=0.4, ge=0, lt=1)
    """Strong: with probability .8, brightness, contrast and saturation change by a factor in 1 +- this; hue shifts by
    up to a quarter of it, as a share of the colour circle. (.4: SupContrast's code)"""
    strong_grey: float = Field(default=0.2, ge=0, le=1)
    """Strong: probability of converting to grey. (.2: SupContrast's code)"""
    strong_noise: float = Field(default=0.0, ge=0)
    """Strong: standard deviation of Gaussian pixel noise, in units of the full range."""
    feature_noise: float = Field(default=0.8, ge=0)
    """Embeddings, weak and strong: standard deviation of Gaussian noise, in units of each number's standard deviation.
    It keeps a network from learning wrong labels by heart: more where more are wrong or embeddings are few, less where
    none is wrong (codim/data/feature_views.py names the sources of these three; all else here is for images)."""
    feature_dropout: float = Field(default=0.3, ge=0, lt=1)
    """Embeddings, strong: share of the numbers that are replaced by their mean; the others are scaled up for it."""
    feature_mixup: float = Field(default=0.3, ge=0, le=0.5)
    """Embeddings, strong: largest part of another embedding that is mixed in."""
