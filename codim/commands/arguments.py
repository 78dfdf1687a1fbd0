"""The flags of `python -m codim` and its commands. Imports nothing slow: a help text need not wait for torch."""

from dataclasses import dataclass
from pathlib import Path


@dataclass
class TrainArguments:
    """One training without Ray. Flags stand over the file.

        python -m codim --method codim-sup --data digits --noise symmetric:0.5
        python -m codim --config train.json

    The output folder gets config.json, noise.json (settings, realised rate and transition matrix), metrics.jsonl (one
    line an epoch; null: no value), checkpoint.pt (the one before: checkpoint.previous.pt), label_audit.parquet and
    evaluation.json (see codim/evaluation/scorecard.py). The same command goes on where an interrupted training stopped.

    Of a training, then:

        python -m codim predict --help     classes of other images, as a table
        python -m codim audit --help       which training labels look wrong, as a page
        python -m codim export --help      both networks as one file, for torch.export or ONNX

    Before one, to learn how noisy the labels are:

        python -m codim crossval --help    out-of-fold predictions, which python -m analysis recommend reads
    """

    config: Path | None = None
    """Settings as {section: {setting: value}} and `method`, in JSON or TOML."""
    method: str | None = None
    """ce, dividemix, c2d, codim-self, codim-sup, or cssl: from few labels, all of them trusted."""
    labels_per_class: int | None = None
    """cssl: how many labels of each class are used."""
    data: str | None = None
    """Name of the data set."""
    noise: str | None = None
    """KIND[:RATE[:MAP]], for example symmetric:0.5 or asymmetric:0.4:digits; other settings: by the file."""
    output: Path = Path("results/single")
    """Folder for the results."""
    probe: bool = False
    """After the pre-training, write probe.json: what nearest neighbours and a linear classifier make of its encoder."""


@dataclass
class PredictArguments:
    """Classes of image files, by the networks of a checkpoint: the sum of both networks' logits decides.

        python -m codim predict --checkpoint results/single --images photos

    An image becomes what the training's own images were, by the same decoder: upright by its EXIF tag, grey or RGB, the
    largest middle part of the right aspect ratio, scaled (bilinear, antialiased) to the same size in pixels.
    Transparency is dropped; of an animation the first frame counts. What lies in the folder and is left out is counted.

    One line per image: file; class; probability (softmax of the mean logits); agree (do both networks, each alone, say
    this class?); confidence_a and confidence_b (probability that each network gives it).

    In names, what would steer a terminal stands as its escape (\\n, \\x1b), and before what a spreadsheet program would
    take for a formula (=, +, -, @ in front of what is no number) stands an apostrophe.

    Exit status: 0; 1 where some images could not be read (named at the end, all others are in the table); 2 where
    nothing could be done.
    """

    checkpoint: Path
    """A checkpoint, or the folder with checkpoint.pt."""
    images: Path
    """Folder with images of any size, in any subfolder."""
    output: Path = Path("predictions.csv")
    """The table."""
    max_megapixels: float | None = None
    """Larger image files are refused; by default as in the training (data/max_megapixels)."""


@dataclass
class AuditArguments:
    """The page of suspicious labels, for a person to check, the worst first.

        python -m codim audit --checkpoint results/single

    Loads the training's data again (as its settings say), and writes label_audit.html, one file that needs no other,
    and label_audit.csv: all images whose given label the networks contradict, the most suspicious first. Names are
    written as `predict` writes them.
    """

    checkpoint: Path
    """A checkpoint, or the folder with checkpoint.pt."""
    output: Path | None = None
    """Folder for label_audit.html and label_audit.csv; by default that of the checkpoint."""
    limit: int = 200
    """Images on the page; the table holds all."""


@dataclass
class ExportArguments:
    """The ensemble of a checkpoint as one file that needs none of this code.

        python -m codim export --checkpoint results/single --output model.pt2
        python -m codim export --checkpoint results/single --output model.onnx

    Input `images`: uint8 (N, C, H, W), N any, pixels as in the file; normalisation is inside. Output `probabilities`:
    float32 (N, K), the softmax of both networks' mean logits. The names of the classes lie in the file: `classes`, a
    JSON list, in the metadata of ONNX; `classes.json` among the extra files of torch.export. A file is put in its place
    only after its outputs on random images have agreed with the checkpoint's.
    """

    checkpoint: Path
    """A checkpoint, or the folder with checkpoint.pt."""
    output: Path
    """model.pt2 (read by torch.export.load) or model.onnx (needs the extra `export` of this project)."""


@dataclass
class CrossvalArguments:
    """Out-of-fold probabilities of all training images, from which python -m analysis recommend estimates the noise.

        python -m codim crossval --config train.json --output predictions.parquet

    For each fold two networks train on the others' labels by plain cross-entropy, as long as `warmup/epochs` says.
    """

    config: Path | None = None
    """Settings as {section: {setting: value}}, in JSON or TOML."""
    data: str | None = None
    """Name of the data set."""
    noise: str | None = None
    """KIND[:RATE[:MAP]], for a trial on clean data."""
    folds: int = 4
    output: Path = Path("predictions.parquet")
    """The table: index, given_label, probabilities."""
