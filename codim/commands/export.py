"""The command `export`: the ensemble of a checkpoint as one file that needs none of this code."""

import copy
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from codim.commands.arguments import ExportArguments
from codim.data.augment import Augmenter
from codim.extras import require_extra
from codim.runtime.atomic_file import replacement
from codim.runtime.progress_bar import progress
from codim.training.checkpoint import Trained, load_trained

TOLERANCE = 1e-4
"""Allowed absolute difference of probabilities: kernels may sum in another order, about 1e-6 in float32."""

Model = Callable[[Tensor], Tensor]


class Ensemble(nn.Module):
    """Map uint8 images (N, C, H, W), or float32 embeddings (N, D), to class probabilities (N, K), averaging the
    networks' logits."""

    def __init__(self, networks: Sequence[nn.Module], augmenter: Augmenter) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.augmenter = augmenter

    def forward(self, images: Tensor) -> Tensor:
        x = self.augmenter.plain(images)
        return torch.stack([net(x) for net in self.networks]).mean(0).softmax(1)


def main(args: ExportArguments) -> int:
    """Run the command. Raises ValueError and OSError for unusable input."""
    difference = export_checkpoint(args.checkpoint, args.output)
    print(f"{args.output}: outputs agree with the checkpoint's to {difference:.1e} (allowed: {TOLERANCE:.0e})")
    return 0


def export_checkpoint(checkpoint: Path, output: Path) -> float:
    """Export the networks of a checkpoint as `export` does, by the ending of `output`. Raises ValueError."""
    if output.suffix not in WRITERS:
        raise ValueError(f"--output: {output} must end in {' or '.join(WRITERS)}")
    with progress("exporting and comparing"):
        return export(load_trained(checkpoint, torch.device("cpu")), output)


def export(trained: Trained, output: Path) -> float:
    """Write the ensemble (on the CPU), read it back, compare; return the largest difference of a probability.

    Raises:
        ValueError: packages are missing, or the outputs differ by more than TOLERANCE (no file is left).
    """
    model = Ensemble(trained.networks, trained.augmenter).eval()
    # Keep the suffix: torch checks it.
    with replacement(output, f"{os.getpid()}{output.suffix}") as scratch:
        # torch.export warns of weights in channels-last order, an order that readers of the file need not know.
        plain = copy.deepcopy(model).to(memory_format=torch.contiguous_format)
        written = WRITERS[output.suffix](plain, trained, scratch)
        difference = largest_difference(model, written, trained.input.shape)
        if not difference <= TOLERANCE:
            raise ValueError(
                f"--output: {output} is not written: its outputs differ from the checkpoint's by {difference:.1e} "
                f"(allowed: {TOLERANCE:.0e})"
            )
    return difference


@torch.no_grad()
def largest_difference(model: Model, other: Model, shape: tuple[int, ...]) -> float:
    """Largest absolute difference of the outputs for random samples, in batches of several sizes; NaN if any is NaN."""
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randint(0, 256, (n, *shape), generator=generator, dtype=torch.uint8) for n in (1, 2, 7)]
    if len(shape) == 1:
        batches = [batch / 128 - 1 for batch in batches]
    return torch.stack([(model(batch) - other(batch)).abs().max() for batch in batches]).max().item()


def _example(trained: Trained) -> Tensor:
    return torch.zeros(2, *trained.input.shape, dtype=torch.float32 if len(trained.input.shape) == 1 else torch.uint8)


def _write_torch(model: nn.Module, trained: Trained, path: Path) -> Model:
    shapes = {"images": {0: torch.export.Dim("batch")}}
    program = torch.export.export(model, (_example(trained),), dynamic_shapes=shapes)
    torch.export.save(program, path, extra_files={"classes.json": json.dumps(trained.input.classes)})
    loaded: Model = torch.export.load(path).module()
    return loaded


def _write_onnx(model: nn.Module, trained: Trained, path: Path) -> Model:
    require_extra("export", "--output: ONNX")
    import onnxruntime

    program = torch.onnx.export(
        model,
        (_example(trained),),
        dynamo=True,
        dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
        input_names=["images"],
        output_names=["probabilities"],
        verbose=False,
    )
    assert program is not None
    program.model.metadata_props["classes"] = json.dumps(trained.input.classes)
    program.save(path, external_data=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


WRITERS: dict[str, Callable[[nn.Module, Trained, Path], Model]] = {".pt2": _write_torch, ".onnx": _write_onnx}
