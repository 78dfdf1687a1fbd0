"""Out-of-fold predictions: the classes of each image by networks that never saw its label, to estimate the noise from.

Plain cross-entropy for as long as the warm-up, so that the networks have not yet learned wrong labels by heart
(Arpit et al. 2017), once for each fold, without its images.
"""

import json
from dataclasses import replace
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from codim.commands.arguments import CrossvalArguments, TrainArguments
from codim.commands.settings_file import gpu_trains, settings_of
from codim.config.budget import steps
from codim.config.methods import METHODS
from codim.config.train_config import TrainConfig, merge, train_config
from codim.data.counts import with_counts
from codim.data.load import TrainingData, load_data, which_images
from codim.data.splits import stratified_folds
from codim.runtime.device import torch_device
from codim.runtime.progress_bar import progress
from codim.training.session import Session
from codim.training.state import TrainState


def main(args: CrossvalArguments) -> int:
    """The command. Raises ValueError and OSError for input that it can do nothing with."""
    if args.folds < 2:
        raise ValueError(f"--folds: {args.folds}; allowed: 2 or more")
    settings = merge(settings_of(TrainArguments(args.config, None, None, args.data, args.noise)), METHODS["ce"])
    config = train_config(with_counts(settings, gpu_trains(settings)))
    data, _ = load_data(config.data, config.noise, torch_device(config.train.device))
    # An official validation part has other labels, whose noise nobody asks about.
    own = data.train_index if config.data.validation == "official" else torch.arange(len(data.images))
    if data.trusted is not None:
        own = own[~data.trusted.to(own.device)[own]]
    probabilities = out_of_fold(config, data, own, args.folds)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(predictions_table(data, own, probabilities), args.output)
    print(f"out-of-fold probabilities of {len(own)} images in {args.output}")
    return 0


def out_of_fold(config: TrainConfig, data: TrainingData, index: Tensor, folds: int) -> Tensor:
    """(2, N, K) probabilities by each network of the images `index` (N,); those of an image come from networks trained
    on the other folds. `config`: plain cross-entropy; its budget does not count."""
    index = index.to(data.labels.device)
    images = which_images(data.images)
    own_images = None if images is None else images[index.cpu().numpy()]
    labels = data.labels[index].cpu().numpy()
    fold = torch.from_numpy(stratified_folds(labels, folds, config.data.split_seed, own_images))
    found = torch.empty(2, len(index), len(data.classes))
    epochs = max(config.warmup.epochs, 1)
    with progress("out-of-fold predictions", folds * epochs, "epochs") as meter:
        for k in range(folds):
            own = replace(
                data, train_index=index[(fold != k).to(index.device)], val_index=index[(fold == k).to(index.device)]
            )
            budget = epochs * steps(len(own.train_index), config) * config.train.batch_size
            settings = merge(config.model_dump(mode="json"), {"train": {"samples": budget, "epoch_images": 0}})
            fold_config = TrainConfig.model_validate(settings)
            session = Session(fold_config, own)
            session.start()
            meter.done = partial(_epochs_done, k, epochs, budget, session.state)
            for _ in session.epochs():
                pass
            found[:, fold == k] = session.predict(own.val_index).softmax(2).cpu()
    return found


def _epochs_done(folds: int, epochs: int, budget: int, state: TrainState) -> float:
    """Those of earlier folds, and of the one under way."""
    return epochs * (folds + state.drawn / budget)


def predictions_table(data: TrainingData, index: Tensor, probabilities: Tensor) -> pa.Table:
    """`index` (int64, place in the training set), `given_label` (int64), `probabilities` (list of K floats, the mean of
    both networks'), `agree` (whether both networks predict one class); the names of the classes as a JSON list in the
    metadata `classes`. `probabilities`: (2, N, K)."""
    mean, predicted = probabilities.mean(0), probabilities.argmax(2)
    values = pa.array(mean.numpy().ravel(), pa.float32())
    columns = {
        "index": index.cpu().numpy(),
        "given_label": data.labels[index.to(data.labels.device)].cpu().numpy(),
        "probabilities": pa.FixedSizeListArray.from_arrays(values, probabilities.shape[2]),
        "agree": (predicted[0] == predicted[1]).numpy(),
    }
    return pa.table(columns).replace_schema_metadata({"classes": json.dumps(data.classes)})
