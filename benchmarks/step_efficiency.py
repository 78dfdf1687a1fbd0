"""How much of co-training is the network's own work? The bare time of an epoch and of a step, over the real ones.

    python benchmarks/step_efficiency.py --network digits
    python benchmarks/step_efficiency.py --network preact --device cuda --precision bf16

The epoch is a real one: division, both networks' steps, evaluation; its bare time (benchmarks/workload.py) counts the
forward passes of the evaluation. The step is one call of `cssl_losses` and of the optimiser, always on one batch. Its
rate is that of the bare passes' operations, as torch counts them, over that of a large matrix product in the same
precision: how much of the device is used.
"""

from statistics import median

import torch
import tyro
from epoch_breakdown import breakdown, share_table
from kept import keep
from torch.utils.flop_counter import FlopCounterMode
from workload import Bare, Workload, by_turns, past_warmup, prepare, ratios, spread, table, training_step

from codim.config.train_config import TrainConfig
from codim.data.load import TrainingData

BARS = {("digits", "cpu"): 0.6, ("preact", "cpu"): 0.9, ("preact", "cuda"): 0.8}
"""Efficiency of the co-training stage, at least, at batch 64 + 64."""


def step_flops(config: TrainConfig, data: TrainingData) -> int:
    """Of the bare passes, a multiplication and an addition counted as two; counted on a batch of 2 + 2."""
    network = config.network.model_copy(update={"compile": "off"})
    train = config.train.model_copy(update={"batch_size": 2})
    bare = Bare(config.model_copy(update={"network": network, "train": train}), data)
    with FlopCounterMode(display=False) as counter:
        bare.step()
    total: int = counter.get_total_flops() * config.train.batch_size // 2
    return total


def product_rate(work: Workload) -> float:
    """Operations a second of a large matrix product."""
    device = work.torch_device()
    n = 8192 if work.on_gpu else 2048
    dtype = torch.bfloat16 if work.precision == "bf16" else torch.float32
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    return 2 * n**3 / median(by_turns({"product": lambda: a @ b}, 9, device)["product"])


def main() -> None:
    work = tyro.cli(Workload, description=__doc__)
    work.set_threads()
    config, data = prepare(work)
    state, epochs = past_warmup(config, data)
    bare, device = Bare(config, data), work.torch_device()
    times = by_turns({"epoch": lambda: next(epochs), "bare epoch": bare.epoch}, work.measurements, device)
    repeats = 1 if work.network == "preact" and not work.on_gpu else 10
    real_step = training_step(config, data, state)
    times |= by_turns({"step": real_step, "bare step": bare.step}, work.measurements, device, repeats)

    efficiency = {name: ratios(times[f"bare {name}"], times[name]) for name in ("epoch", "step")}
    rows = [
        [name, *(spread([1e3 * t for t in times[f"{bare}{name}"]], 1) for bare in ("", "bare ")), spread(values)]
        for name, values in efficiency.items()
    ]
    flops, product = step_flops(config, data), product_rate(work)
    rate = flops / median(times["step"])
    images = 2 * work.batch_size / median(times["step"])
    shares = breakdown(lambda: next(epochs), device)
    bar = BARS.get((work.network, device.type))
    text = (
        f"{table(['', 'real, ms', 'bare, ms', 'efficiency'], rows)}\n\nMedians [range] of {work.measurements} pairs, "
        f"batch {work.batch_size} + {work.batch_size}, {work.precision}, compile {work.compile}; an epoch has "
        f"{bare.steps} steps and evaluates {sum(bare.evaluated)} images. Bar of the epoch: {bar or 'none'}.\n\n"
        f"A step draws {images:.0f} images/s and takes {flops / 1e9:.1f} GFLOP: {rate / 1e9:,.0f} GFLOP/s, "
        f"{100 * rate / product:.0f} % of the {product / 1e9:,.0f} of a matrix product.\n\n"
        f"Where an epoch's time goes:\n\n{share_table(shares)}"
    )
    rates = {"images": images, "flops": rate, "product": product}
    content = {"seconds": times, "efficiency": efficiency, "rates": rates, "bar": bar, "shares": shares}
    keep(f"step_efficiency-{work.name}", text, content, device)


if __name__ == "__main__":
    main()
