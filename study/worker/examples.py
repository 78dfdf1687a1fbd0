"""Examples of a training at its end, with thumbnails: no image is read again for a page."""

from codim.data.images.thumbnail import thumbnail
from codim.data.stored import Stored
from codim.evaluation.examples import examples
from codim.training.session import Session
from study.results.examples import LONGEST, Example, Examples, Group, encode

SIDE = 64
"""Longest side of a thumbnail, in pixels: some 2 kB."""


def shown(session: Session, most: int) -> str:
    """Return up to `most` images of each kind as text; nothing before the budget is drawn, and for embeddings."""
    data, state = session.data, session.state
    if state.samples < session.config.train.samples or state.evaluation is None or len(data.images.shape) != 4:
        return ""
    names = [name[:LONGEST] for name in data.classes]
    truth, clean = (None, None) if session.truth is None else (session.truth.labels, session.truth.clean)
    groups = []
    for found in examples(state.evaluation, clean, most):
        index = found.index
        predicted = session.predict(index).sum(0).argmax(1).tolist() if len(index) else []
        true = [-1] * len(index) if truth is None or clean is None else truth[index].tolist()
        images = [
            Example(
                index=i,
                file=data.images.name(i)[-LONGEST:] if isinstance(data.images, Stored) else "",
                given=names[given],
                predicted=names[own],
                true=names[right] if right >= 0 else "",
                image=thumbnail(image, SIDE, ("png", "jpeg")),
            )
            for i, given, own, right, image in zip(
                index.tolist(), data.labels[index].tolist(), predicted, true, data.images[index].cpu(), strict=True
            )
        ]
        groups.append(Group(kind=found.kind, count=found.count, images=images))
    side = min(SIDE, max(data.images.shape[2:]))
    return encode(Examples(images=len(state.evaluation.images), side=side, groups=groups))
