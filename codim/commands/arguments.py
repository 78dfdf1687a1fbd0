"""Command-line flags of `python -m codim` and its commands. Imports nothing slow, so that --help is fast."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass
class TrainArguments:
    """Run one training without Ray. Flags override the file.

        python -m codim --method codim-sup --data digits --noise symmetric:0.5
        python -m codim --config train.json

    The output folder gets config.json, noise.json (settings, realised rate and transition matrix), metrics.jsonl (one
    line per epoch; null: no value), checkpoint.pt (the one before: checkpoint.previous.pt), label_audit.parquet and
    evaluation.json (see codim/evaluation/scorecard.py). Repeating the command resumes an interrupted training.

    Before a training on photos, to train on what a pre-trained encoder makes of them:

        python -m codim embed --help       embeddings of images

    After a training:

        python -m codim predict --help     classes of other images, as a table
        python -m codim audit --help       which training labels look wrong, as a page
        python -m codim export --help      both networks as one file, for torch.export or ONNX

    Before a training, to estimate how noisy the labels are:

        python -m codim crossval --help    out-of-fold predictions, which python -m analysis recommend reads

    --version prints the version.
    """

    config: Path | None = None
    """Settings as {section: {setting: value}} and `method`, in JSON or TOML."""
    method: str | None = None
    """ce, dividemix, c2d, codim-self, codim-sup, or cssl (learns from few labels, all of them trusted)."""
    labels_per_class: int | None = None
    """cssl: number of labels used per class."""
    data: str | None = None
    """Name of the data set."""
    noise: str | None = None
    """KIND[:RATE[:MAP]], for example symmetric:0.5 or asymmetric:0.4:digits; set other options in the file."""
    minutes: float | None = None
    """About how long the training may take: sets the budget, and the lengths of its stages unless the settings give
    them, from a few timed steps. A resumed training keeps the budget it began with."""
    output: Path = Path("results/single")
    """Folder for the results."""
    probe: bool = False
    """After pre-training, write probe.json: accuracy of nearest neighbours and a linear classifier on its encoder."""


@dataclass
class PredictArguments:
    """Classify image files with the networks of a checkpoint, by the sum of both networks' logits.

        python -m codim predict --checkpoint results/single --images photos

    Images are decoded as in training: upright by the EXIF tag, grey or RGB, the largest central crop of the right
    aspect ratio, scaled (bilinear, antialiased) to the same size in pixels. Transparency is dropped; only the first
    frame of an animation is read. Files in the folder that are not images are counted and skipped.

    One line per image: file (of embeddings the id, or the row number from 1); class; probability (softmax of the mean
    logits); agree (whether each network alone predicts this class); confidence_a and confidence_b (probability of the
    class under each network).

    In names, terminal control characters are written as escapes (\\n, \\x1b), and text that a spreadsheet program would
    read as a formula (starts with =, +, -, @ and is not a number) gets a leading apostrophe.

    Exit status: 0; 1 if some images could not be read (named at the end, all others are in the table); 2 if the command
    failed.
    """

    checkpoint: Path
    """A checkpoint, or the folder with checkpoint.pt."""
    images: Path
    """Folder with images of any size, in any subfolder; or, as in training, a .npy, .npz or .parquet file of
    embeddings."""
    output: Path = Path("predictions.csv")
    """Output table (CSV)."""
    max_megapixels: float | None = None
    """Size limit of image files in megapixels; larger ones are refused; default: the training's data/max_megapixels."""


@dataclass
class AuditArguments:
    """Write a page of suspicious labels for a person to check, the worst first.

        python -m codim audit --checkpoint results/single

    Loads the training's data again (as its settings say), and writes label_audit.html, one self-contained file;
    label_audit.csv: all images whose given label the networks contradict, the most suspicious first, but trusted
    ones; and label_audit_classes.csv: how many labels of each class they contradict. Names are escaped as by `predict`.

        python -m codim audit --checkpoint results/single --corrections corrections.csv

    Reads what was corrected and saved on that page, or an export of Label Studio. Writes corrected_labels.csv, all
    labels with the corrections, what each was before and who corrected it, and corrected.json, settings for --config
    that train on them; corrected labels of own data count as trusted. The next round carries the columns on.

        python -m codim audit --checkpoint results/single --to label-studio

    Also writes label_studio.json, tasks to import with the suggested labels as predictions, and label_studio.xml, the
    labelling interface. Label Studio shows the images below LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT, which has to be the
    folder of the images. What people answered comes back by --corrections, exported as JSON.
    """

    checkpoint: Path
    """A checkpoint, or the folder with checkpoint.pt."""
    output: Path | None = None
    """Folder for these files; default: that of the checkpoint."""
    limit: int = 200
    """Maximum number of images on the page: half of them the most suspicious of all, half by turns over the given
    labels; the table holds all."""
    corrections: Path | None = None
    """File of what people answered: the table saved by the page (columns index, given_label and label; optionally
    corrected_by), or an export of Label Studio or FiftyOne, .json."""
    to: Literal["page", "label-studio", "fiftyone", "cleanlab"] = "page"
    """Program to write a further file for. fiftyone: fiftyone.json, for `fiftyone.Dataset.from_json(..., rel_dir=...)`
    with the folder of the images; what people change in the field `label` comes back by --corrections, written by
    `write_json`. cleanlab: cleanlab_issues.csv, a frame of label issues for
    `CleanLearning.fit(..., label_issues=...)`."""


@dataclass
class ExportArguments:
    """Export the ensemble of a checkpoint as one file that needs none of this code.

        python -m codim export --checkpoint results/single --output model.pt2
        python -m codim export --checkpoint results/single --output model.onnx

    Input `images`: uint8 (N, C, H, W), any N, pixels as in the file, or float32 embeddings (N, D); normalisation is
    inside. Output `probabilities`:
    float32 (N, K), the softmax of both networks' mean logits. The file holds the class names: `classes`, a JSON list,
    in the metadata of ONNX; `classes.json` among the extra files of torch.export. The file is only put in place once
    its outputs on random images agree with the checkpoint's.
    """

    checkpoint: Path
    """A checkpoint, or the folder with checkpoint.pt."""
    output: Path
    """Output file: model.pt2 (read by torch.export.load) or model.onnx (needs the extra `export` of this project)."""


@dataclass
class EmbedArguments:
    """Write what a pre-trained encoder makes of images as embeddings, which are then trained on in their place.

        python -m codim embed --images photos --encoder timm:MODEL --weights model.safetensors
        python -m codim embed --config settings.json --output embeddings.npy
        python -m codim embed --images new_photos --no-labels --encoder timm:MODEL --weights model.safetensors

    Photos are decoded as in training, scaled, cropped at the centre and normalised as the encoder's weights expect it.
    Labels, parts, names of the files and marks of trusted labels are written beside the embeddings. Nothing is
    downloaded, and nothing in the file of weights is executed.
    """

    config: Path | None = None
    """Settings as {section: {setting: value}}, in JSON or TOML: the sections data and network, and train/device."""
    images: Path | None = None
    """Folder with a folder of images per class, or a .csv or .parquet table of images; default: what the settings
    say."""
    encoder: str | None = None
    """timm:MODEL (needs the extra `encoders` of this project) or torchvision:MODEL."""
    weights: Path | None = None
    """File of the encoder's weights, .safetensors or .pth."""
    input_size: int | None = None
    """Side in pixels of the encoder's images; default: as its weights were trained."""
    labels: bool = True
    """Whether the images have labels. Without them the folder may hold images in any way; `predict` reads the
    embeddings."""
    output: Path = Path("embeddings.npz")
    """Output file: .npz, .parquet, or .npy, whose labels are written beside it, .labels.parquet."""


@dataclass
class CrossvalArguments:
    """Predict all training images out of fold; python -m analysis recommend estimates the noise from it.

        python -m codim crossval --config train.json --output predictions.parquet

    For each fold, two networks train on the labels of the others by plain cross-entropy, for `warmup/epochs` epochs.
    """

    config: Path | None = None
    """Settings as {section: {setting: value}}, in JSON or TOML."""
    data: str | None = None
    """Name of the data set."""
    noise: str | None = None
    """KIND[:RATE[:MAP]], to try the command on clean data."""
    folds: int = 4
    output: Path = Path("predictions.parquet")
    """Output table: index, given_label, probabilities, agree (whether the two networks predict one class)."""
