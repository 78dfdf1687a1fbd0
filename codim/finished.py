"""Uses of a training's checkpoint from Python: `codim.predict`, `codim.audit` and `codim.export`."""

import logging
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
from numpy.typing import ArrayLike

from codim.commands import audit as auditing
from codim.commands import export as exporting
from codim.commands import predict as predicting
from codim.config.data import DataConfig
from codim.config.train_config import TrainConfig
from codim.data.arrays import inputs
from codim.evaluation.label_audit import Suspect
from codim.runtime.device import torch_device
from codim.training.checkpoint import load_trained

log = logging.getLogger(__name__)


def predict(checkpoint: str | Path, images: ArrayLike | Path) -> Any:
    """Classify images with the networks of a checkpoint.

    Args:
        checkpoint: a checkpoint, or the folder with checkpoint.pt.
        images: uint8, (N, H, W) or (N, H, W, C), or embeddings, numbers (N, D); or a folder of image files or a file of
            embeddings, which are read as by `codim predict`.

    Returns:
        A data frame with a row per image: `class`; `probability` of it (softmax of both networks' mean logits); `agree`
        (whether each network alone predicts it); `confidence_a`, `confidence_b` (its probability under each network).
        Of a folder or a file also `file`; a file that cannot be read has no row, and a warning is logged.

    Raises:
        ValueError: there is no whole checkpoint, or the images are not such as it was trained on.

    Example:
        >>> import codim
        >>> from tempfile import TemporaryDirectory
        >>> session = codim.Session.load(codim.train_config({"method": "ce", "train": {"samples": 6000}}))
        >>> session.start()
        >>> accuracies = [row["val_acc"] for row in session.epochs()]
        >>> with TemporaryDirectory() as folder:
        ...     session.save(Path(folder) / "checkpoint.pt")
        ...     table = codim.predict(folder, session.data.images[:3, 0].numpy())
        >>> list(table.columns), len(table)
        (['class', 'probability', 'agree', 'confidence_a', 'confidence_b'], 3)
    """
    trained = load_trained(Path(checkpoint), torch_device())
    if not isinstance(images, str | Path):
        config = TrainConfig.model_validate(trained.config)
        x = inputs(images, config, trained.input.shape).to(trained.augmenter.mean.device)
        return frame(predicting.COLUMNS[1:], predicting.classified(trained, x))
    samples = predicting.samples_in(Path(images))
    megapixels = DataConfig.model_validate(trained.config["data"]).megapixels
    rows = []
    for found in predicting.predictions(trained, Path(images), samples, megapixels):
        if isinstance(found, ValueError):
            log.warning("%s", found)
        else:
            rows.append(found)
    return frame(predicting.COLUMNS, rows)


def audit(checkpoint: str | Path) -> Any:
    """Find the training labels that the networks of a checkpoint contradict; the training's data are loaded again.

    Args:
        checkpoint: a checkpoint, or the folder with checkpoint.pt.

    Returns:
        A data frame, the most suspicious label first; its columns are the fields of
        `codim.evaluation.label_audit.Suspect`.

    Raises:
        ValueError: there is no whole checkpoint, or its data are not what they were. For what `codim.train` was given
            as arrays use `Training.audit`.

    Example:
        >>> import codim
        >>> from tempfile import TemporaryDirectory
        >>> noise = {"kind": "symmetric", "rate": 0.2}
        >>> settings = {"method": "ce", "noise": noise, "train": {"samples": 6000}}
        >>> session = codim.Session.load(codim.train_config(settings))
        >>> session.start()
        >>> accuracies = [row["val_acc"] for row in session.epochs()]
        >>> with TemporaryDirectory() as folder:
        ...     session.save(Path(folder) / "checkpoint.pt")
        ...     table = codim.audit(folder)
        >>> bool((table.given_label != table.suggested_label).all())
        True
    """
    return frame(
        Suspect.__annotations__, (asdict(row).values() for row in auditing.contradicted(Path(checkpoint)).found)
    )


def export(checkpoint: str | Path, output: str | Path) -> Path:
    """Write both networks of a checkpoint as one file that needs none of this code; return its path.

    Args:
        checkpoint: a checkpoint, or the folder with checkpoint.pt.
        output: model.pt2 (read by torch.export.load) or model.onnx (needs the extra `export`). Takes uint8 images
            (N, C, H, W), returns probabilities (N, K).

    Raises:
        ValueError: there is no whole checkpoint, libraries are missing, or the outputs of the file differ from those of
            the networks.

    Example:
        >>> import codim
        >>> from tempfile import TemporaryDirectory
        >>> session = codim.Session.load(codim.train_config({"method": "ce", "train": {"samples": 6000}}))
        >>> session.start()
        >>> accuracies = [row["val_acc"] for row in session.epochs()]
        >>> with TemporaryDirectory() as folder:
        ...     session.save(Path(folder) / "checkpoint.pt")
        ...     codim.export(folder, Path(folder) / "model.pt2").name
        'model.pt2'
    """
    exporting.export_checkpoint(Path(checkpoint), Path(output))
    return Path(output)


def frame(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> Any:
    """Return rows as a data frame (pandas), which has its columns even without a row."""
    names = list(columns)
    values = list(zip(*rows, strict=True)) or [()] * len(names)
    return pa.table([pa.array(column) for column in values], names).to_pandas()
