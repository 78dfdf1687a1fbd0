"""How much of co-training is the network's own work? The bare time of an epoch and of a step, over the real ones.

    python benchmarks/step_efficiency.py --network digits
    python benchmarks/step_efficiency.py --network preact --device cuda --precision bf16

The epoch is a real one: division, both networks' steps, evaluation; its bare time (benchmarks/workload.py) counts the
forward passes of the evaluation. The step is one call of `cssl_losses` and of the optimiser, always on one batch.
"""

import tyro
from epoch_breakdown import breakdown, share_table
from kept import keep
from workload import Bare, Workload, by_turns, past_warmup, prepare, ratios, spread, table, training_step

BARS = {("digits", "cpu"): 0.6, ("preact", "cpu"): 0.9, ("preact", "cuda"): 0.8}
"""Efficiency of the co-training stage, at least, at batch 64 + 64."""


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
    shares = breakdown(lambda: next(epochs), device)
    bar = BARS.get((work.network, device.type))
    text = (
        f"{table(['', 'real, ms', 'bare, ms', 'efficiency'], rows)}\n\nMedians [range] of {work.measurements} pairs, "
        f"batch {work.batch_size} + {work.batch_size}, {work.precision}, compile {work.compile}; an epoch has "
        f"{bare.steps} steps and evaluates {sum(bare.evaluated)} images. Bar of the epoch: {bar or 'none'}.\n\n"
        f"Where an epoch's time goes:\n\n{share_table(shares)}"
    )
    content = {"seconds": times, "efficiency": efficiency, "bar": bar, "shares": shares}
    keep(f"step_efficiency-{work.name}", text, content, device)


if __name__ == "__main__":
    main()
