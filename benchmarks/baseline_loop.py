"""The same algorithm in a loop written the usual way: the yardstick of our speed, and an oracle of our step.

    python benchmarks/baseline_loop.py --network digits
    python benchmarks/baseline_loop.py --network preact --precision bf16

The usual way: torchvision transforms of one PIL image after the other, in the workers of a DataLoader; contiguous
memory; a forward pass per view; `.item()` of each loss in each step; a pass over the training part per network for the
division, which writes loss by loss to the host, and one more for the metrics; scikit-learn's mixture. It shares no
mathematics with `codim` (benchmarks/literal.py), but settings, networks and starting weights. Both train whole
co-training epochs, divisions and evaluation included, by turns, each in a process of its own. The loop gets the number
of workers that suits it best, always in fp32.

Where the sums differ: only through batch norm in training mode, which normalises by the images of one forward pass.
We guess on both views, and on both sets, in one pass, and project both strong views in one; the loop takes them one by
one. So with batch norm the contrastive term differs, and, with `mixmatch/guess_in_train_mode`, the targets; running
statistics take one step for the loop's several. The pass over the mixed batch is the same. All else is equal up to
rounding (tests/reference/test_baseline_loop.py).
"""

import copy
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import tyro
from kept import keep
from literal import literal_clean_probability, literal_labelled, literal_losses
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision import transforms as T
from workload import Workload, by_turns, past_warmup, prepare, ratios, spread

from codim.config.train_config import TrainConfig
from codim.data.augment import Augmenter
from codim.data.load import TrainingData
from codim.runtime.device import set_up
from codim.training.state import TrainState

BARS = {("digits", "cpu"): 2.0, ("preact", "cpu"): 1.15, ("digits", "cuda"): 5.0, ("preact", "cuda"): 5.0}
"""How many times as fast as the loop we are to be, at least: on CPU in fp32, on GPU in bf16."""


def usual_transforms(augmenter: Augmenter, shape: tuple[int, ...]) -> tuple[T.Compose, T.Compose, T.Compose]:
    """Plain, weak, strong, with our settings, for images of `shape` (C, H, W)."""
    config = augmenter.config
    assert not config.strong_noise
    channels, height, width = shape
    sides = (config.size, config.size) if config.size else (height, width)
    flip = [T.RandomHorizontalFlip()] if config.flip else []
    end = [T.ToTensor(), T.Normalize(augmenter.mean.flatten().tolist(), augmenter.std.flatten().tolist())]

    crop = [T.RandomCrop(sides, padding=config.crop_padding)] if config.crop_padding or config.size else []
    angle = config.strong_rotation
    rotate = [T.RandomRotation(angle, T.InterpolationMode.BILINEAR)] if angle else []
    strength = config.strong_jitter
    jitter = T.ColorJitter(strength, strength, *([strength, strength / 4] if channels == 3 else []))
    grey = [T.RandomGrayscale(config.strong_grey)] if channels == 3 else []
    strong = [*rotate, T.RandomResizedCrop(sides, scale=(config.strong_scale_min, 1.0)), *flip]
    strong += [T.RandomApply([jitter], p=0.8), *grey]
    plain = [T.CenterCrop(sides)] if config.size else []
    return T.Compose([*plain, *end]), T.Compose([*crop, *flip, *end]), T.Compose([*strong, *end])


class Item(NamedTuple):
    views: list[Tensor]
    label: int
    w: float
    row: int


class Images(Dataset[Item]):
    """The images `rows`, each in one view per transform."""

    def __init__(
        self,
        pixels: NDArray[np.uint8],
        labels: NDArray[np.int64],
        rows: NDArray[np.int64],
        views: list[T.Compose],
        w: NDArray[np.float32] | None = None,
    ) -> None:
        self.pixels, self.labels, self.rows, self.views = pixels, labels, rows, views
        self.w = np.zeros(len(pixels), dtype=np.float32) if w is None else w

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Item:
        row = self.rows[i]
        image = Image.fromarray(self.pixels[row])
        return Item([view(image) for view in self.views], self.labels[row], self.w[row], row)


class Loop:
    """Co-training of two networks, from the weights of `state`."""

    def __init__(self, config: TrainConfig, data: TrainingData, state: TrainState, workers: int) -> None:
        assert isinstance(data.images, Tensor)
        self.config, self.workers, self.device = config, workers, data.images.device
        self.nets = [copy.deepcopy(net).to(memory_format=torch.contiguous_format) for net in state.networks]
        optim = config.optim
        self.optimizers = [
            torch.optim.SGD(net.parameters(), lr=optim.lr, momentum=optim.momentum, weight_decay=optim.weight_decay)
            for net in self.nets
        ]
        pixels = data.images.permute(0, 2, 3, 1).contiguous().cpu().numpy()
        self.pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
        self.labels = data.labels.cpu().numpy()
        self.train_rows, self.val_rows = data.train_index.cpu().numpy(), data.val_index.cpu().numpy()
        augmenter = Augmenter.fit(config.augment, data.images)
        self.plain, self.weak, self.strong = usual_transforms(augmenter, tuple(data.images.shape[1:]))
        self.history: list[list[Tensor]] = [[], []]

    def epoch(self) -> tuple[float, float]:
        """Division, training of one network after the other, metrics: the mean loss and the validation accuracy."""
        made = [self.clean_probability(k) for k in range(2)]
        losses = self.train(0, made[1]) + self.train(1, made[0])
        return sum(losses) / len(losses), self.validate()

    def clean_probability(self, k: int) -> NDArray[np.float64]:
        net = self.nets[k].eval()
        losses = torch.zeros(len(self.labels))
        with torch.no_grad():
            for (x,), labels, _, rows in self.loader(Images(self.pixels, self.labels, self.train_rows, [self.plain])):
                x, labels = self.on_device(x, labels)
                loss = torch.nn.functional.cross_entropy(net(x), labels, reduction="none")
                for b in range(len(x)):
                    losses[rows[b]] = loss[b]
        own = losses[self.train_rows].double()
        self.history[k].append((own - own.min()) / (own.max() - own.min()))
        averaged = torch.stack(self.history[k][-self.config.divide.loss_history :]).mean(0)
        return literal_clean_probability(averaged.numpy(), self.config.divide.reg_covar)

    def train(self, k: int, w: NDArray[np.float64]) -> list[float]:
        """The total loss of each step."""
        config, net, optimizer = self.config, self.nets[k], self.optimizers[k]
        labelled = literal_labelled(w, config.divide.p_threshold)
        size = config.train.batch_size
        per_epoch = labelled.sum() if config.train.epoch == "labelled" else len(w) // 2
        steps = -(-int(per_epoch) // size)
        all_w = np.zeros(len(self.labels), dtype=np.float32)
        all_w[self.train_rows] = w
        views = [self.weak, self.weak, self.strong, self.strong]
        batches_x, batches_u = (
            self.loader(Images(self.pixels, self.labels, self.train_rows[part], views, all_w), steps)
            for part in (labelled, ~labelled)
        )
        logged = []
        for (x, labels, w_x, _), (u, _, _, _) in zip(batches_x, batches_u, strict=True):
            labels, w_x = self.on_device(labels, w_x)
            terms = literal_losses(
                net,
                self.nets[1 - k],
                self.on_device(*x),
                labels,
                w_x,
                self.on_device(*u),
                self.draw_mixup,
                config.mixmatch,
                config.contrastive,
                config.mixmatch.lambda_u,
            )
            optimizer.zero_grad()
            terms.total.backward()
            optimizer.step()
            logged.append([term.item() for term in terms])
        return [total for total, *_ in logged]

    def validate(self) -> float:
        a, b = (net.eval() for net in self.nets)
        hits = 0
        with torch.no_grad():
            for (x,), labels, _, _ in self.loader(Images(self.pixels, self.labels, self.val_rows, [self.plain])):
                x, labels = self.on_device(x, labels)
                hits += ((a(x) + b(x)).argmax(1) == labels).sum().item()
        return hits / max(len(self.val_rows), 1)

    def loader(self, images: Images, steps: int | None = None) -> DataLoader[Item]:
        """In order; or so many full batches, one permutation after the other."""
        size = self.config.train.batch_size
        sampler = RandomSampler(images, num_samples=steps * size) if steps else None
        return DataLoader(
            images,
            batch_size=size if steps else 5 * size,
            sampler=sampler,
            num_workers=self.workers,
            # As usual; the process of a contender, which was spawned, would spawn them.
            multiprocessing_context="fork" if self.workers else None,
            pin_memory=self.device.type == "cuda",
        )

    def on_device(self, *tensors: Tensor) -> list[Tensor]:
        return [tensor.to(self.device, non_blocking=True) for tensor in tensors]

    def draw_mixup(self, rows: int) -> tuple[float, Tensor]:
        lam = np.random.default_rng().beta(self.config.mixmatch.alpha, self.config.mixmatch.alpha)
        return max(lam, 1 - lam), torch.randperm(rows)


# ---- the comparison


@dataclass
class Arguments(Workload):
    """Speed of co-training against a loop written the usual way."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16: ours in bf16 too, beside fp32."""
    workers: tuple[int, ...] | None = None
    """Of each DataLoader: the loop is tried with each number. 0, 1, 2 on CPU and 2, 4, 8 on GPU by default."""


epoch: Callable[[], object]
"""In the process of a contender: one of its epochs."""


def prepare_ours(args: Arguments) -> None:
    global epoch
    args.set_threads()
    _, epochs = past_warmup(*prepare(args))
    epoch = partial(next, epochs)


def prepare_loop(args: Arguments, workers: int, weights: list[dict[str, Tensor]]) -> None:
    """On a GPU in full float32, as ours, with the search for the fastest convolutions."""
    global epoch
    args.set_threads()
    torch.manual_seed(0)
    config, data = prepare(args)
    state = TrainState.create(config, data)
    for net, own in zip(state.networks, weights, strict=True):
        net.load_state_dict(own)
    if args.on_gpu:
        set_up(args.torch_device(), "fp32")
    epoch = Loop(config, data, state, workers).epoch


def run_epoch() -> None:
    epoch()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def contender(prepared: Callable[..., None], *given: Any) -> Callable[[], None]:
    """Epochs in a process of its own: settings of the C library and of cuDNN hold for a whole process."""
    pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=prepared, initargs=given)
    return lambda: pool.submit(run_epoch).result()


def main() -> None:
    args = tyro.cli(Arguments, description=__doc__)
    args.set_threads()
    device = args.torch_device()
    fp32 = replace(args, precision="fp32")
    state, _ = past_warmup(*prepare(fp32))
    weights = [{name: value.cpu() for name, value in net.state_dict().items()} for net in state.networks]
    kinds = dict.fromkeys([fp32.precision, args.precision])
    ours = {f"ours, {kind}": contender(prepare_ours, replace(args, precision=kind)) for kind in kinds}
    loops = {
        f"loop, {workers} workers": contender(prepare_loop, fp32, workers, weights)
        for workers in args.workers or ((2, 4, 8) if args.on_gpu else (0, 1, 2))
    }
    times = by_turns(ours | loops, args.measurements, device)

    best = min(loops, key=lambda name: median(times[name]))
    lines = ["| | seconds per epoch, median [min, max] |", "|:--|:--|"]
    lines += [f"| {name} | {spread(values)} |" for name, values in times.items()]
    faster = {name: ratios(times[best], times[name]) for name in ours}
    lines.append("")
    lines += [f"{name}: {spread(values)} times as fast as {best}." for name, values in faster.items()]
    bar = f"{BARS[args.network, device.type]} ({'bf16' if args.on_gpu else 'fp32'})"
    lines.append(f"n = {args.measurements} rounds; ours with compile {args.compile}. Bar: {bar}.")
    content = {"best": best, "seconds": times, "ratios": faster}
    compiled = "" if args.compile == "off" else f"-{args.compile}"
    keep(f"baseline_loop-{args.network}-{device.type}{compiled}", "\n".join(lines), content, device)


if __name__ == "__main__":
    main()
