"""Thumbnails: small pictures of stored images, for pages that load nothing."""

import base64
import io
from collections.abc import Sequence

from PIL import Image
from torch import Tensor


def thumbnail(image: Tensor, side: int, kinds: Sequence[str] = ("png",)) -> str:
    """Return a data: URL of (C, H, W) uint8 on the CPU, C 1 or 3, scaled down to at most `side` pixels per side, as the
    smallest of these `kinds` of file: png, jpeg."""
    picture = Image.fromarray(image[0].numpy() if len(image) == 1 else image.permute(1, 2, 0).numpy())
    picture.thumbnail((side, side))
    kind, content = min((_encoded(picture, kind) for kind in kinds), key=lambda own: len(own[1]))
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _encoded(picture: Image.Image, kind: str) -> tuple[str, bytes]:
    file = io.BytesIO()
    picture.save(file, kind)
    return kind, file.getvalue()
