"""How fast is training, against a plain float32 PyTorch loop of the same network?

    python -m benchmarks.training [--settings plain fastest ...] [--threads 2] [--blocks paper]

Both sides train ResNet-20 with batches of 128 images of 32x32 pixels from memory, shifted and
mirrored, with SGD and cross-entropy. The plain side is nothing but torch: float weights, float32,
(N, C, H, W). Ours is signbin's training step with quantised weights. Steps are timed by turns; an
epoch is 390 steps and what follows them (evaluation of 10,000 images; ours also re-estimates batch
norm and measures health), which is timed once.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.options import add_turns, make_parser
from benchmarks.results import record
from signbin.measure import InProcess, Schedule, paired_ratio, take_turns
from signbin.quant import probe, snapshot, training_health
from signbin.spec import Preprocessing
from signbin.train import TrainConfig, build_network, load_recipe
from signbin.train.batch_norm import reestimate_batch_norm
from signbin.train.data import Batch, Dataset, HeldOut, Images, SamplerOptions, make_sampler
from signbin.train.data.cifar10 import CLASSES
from signbin.train.distributed import ALONE
from signbin.train.metrics import evaluate
from signbin.train.models import MODELS
from signbin.train.network import make_model
from signbin.train.placement import Machine, prepare_machine
from signbin.train.schedules import RunLength
from signbin.train.step import Trainer

SETTINGS: Final[dict[str, dict[str, Any]]] = {
    "float32": {},
    "channels_last": {"channels_last": True},
    "compiled": {"channels_last": True, "compile": True},
    "bfloat16": {"channels_last": True, "precision": "bfloat16"},
    "bfloat16_compiled": {"compile": True, "precision": "bfloat16"},
}
STEPS: Final = 390
TEST_IMAGES: Final = 10_000
_MEASURED_TEST_IMAGES: Final = 1_000
_PREPROCESSING: Final = Preprocessing(3, 32, 32, (0.5,) * 3, (0.25,) * 3)


@dataclasses.dataclass(frozen=True)
class Loop:
    """One side: a step to call again and again, and what an epoch ends with, in seconds."""

    step: Callable[[], object]
    end_of_epoch: Callable[[], float]


def random_images(count: int) -> Images:
    """Noise: what a step costs does not depend on what it sees."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (count, 3, 32, 32), np.uint8, endpoint=False)
    return Images(pixels, random.integers(0, 10, count))


def configuration(options: argparse.Namespace, weights: str, setting: str) -> TrainConfig:
    """The CIFAR-10 recipe with these options."""
    execution = {"device": options.device, **SETTINGS[setting]}
    if options.cuda_graphs:
        execution["cuda_graphs"] = True
    chosen = {
        "model.block_style": options.blocks,
        "weights": weights,
        "threads": options.threads,
        "optimizer": {"name": "sgd", "learning_rate": 0.1, "weight_decay": 1e-4},
        "execution": execution,
    }
    return load_recipe("cifar10-resnet20-paper", chosen)


def plain_loop(options: argparse.Namespace) -> Loop:
    """Nothing but torch."""
    config = configuration(options, "float", "float32")
    device = torch.device(options.device)
    torch.manual_seed(0)
    model = build_network(config.model, MODELS["resnet20"].designed_for).to(device)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4, nesterov=True
    )
    images = random_images(2048)
    pixels = torch.from_numpy(images.pixels.copy()).to(device).float() / 255
    labels = torch.from_numpy(images.labels.copy()).to(device)

    def augmented(batch: Tensor) -> Tensor:
        padded = F.pad(batch, (4, 4, 4, 4))
        crops = []
        for image in padded:
            top, left = (int(n) for n in torch.randint(0, 9, (2,)))
            crop = image[:, top : top + 32, left : left + 32]
            crops.append(crop.flip(2) if torch.rand(()) < 0.5 else crop)
        return (torch.stack(crops) - 0.5) / 0.25

    def step() -> None:
        model.train()
        chosen = torch.randint(0, len(labels), (config.data.batch_size,), device=device)
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(augmented(pixels[chosen])), labels[chosen])
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimizer.step()
        loss.item()

    def end_of_epoch() -> float:
        return _evaluation_seconds(model, Machine(config.execution, device))

    return Loop(step, end_of_epoch)


def our_loop(options: argparse.Namespace, weights: str, setting: str) -> Loop:
    """signbin's training step."""
    config = configuration(options, weights, setting)
    machine = prepare_machine(config.execution, config.execution.device)
    images = random_images(2048)
    data = Dataset("cifar10", "noise", CLASSES, _PREPROCESSING, images, images)
    torch.manual_seed(0)
    trainer = Trainer(machine.place(make_model(config, data)), config, machine, ALONE)
    trainer.__enter__()
    options_of_sampler = SamplerOptions(config.data.batch_size, shift=4, flip=True)
    batches = _endless(make_sampler(images, _PREPROCESSING, options_of_sampler, machine.placement))
    some = next(iter(HeldOut(images, _PREPROCESSING, machine.placement)))

    def step() -> None:
        trainer.model.train()
        trainer.step(next(batches), 0, RunLength(200, STEPS))

    def end_of_epoch() -> float:
        start = time.perf_counter()
        codes = snapshot(trainer.model)
        _reestimated(trainer.model, some, config.batch_norm_images)
        probed = probe(
            trainer.model, some.images[:128], lambda y: F.cross_entropy(y, some.labels[:128])
        )
        training_health(trainer.model, codes, probed)
        _finish(machine.device)
        return time.perf_counter() - start + _evaluation_seconds(trainer.model, machine)

    return Loop(step, end_of_epoch)


def measure(options: argparse.Namespace, weights: str, setting: str) -> dict[str, Any]:
    """One row: steps of both sides by turns, and epochs made of them."""
    plain, ours = plain_loop(options), our_loop(options, weights, setting)
    ours.step()  # compiles
    device = torch.device(options.device)

    def finished(step: Callable[[], object]) -> Callable[[], object]:
        def run() -> None:
            step()
            _finish(device)

        return run

    sides = (InProcess("plain", finished(plain.step)), InProcess("signbin", finished(ours.step)))
    schedule = Schedule(rounds=options.rounds, warm_up_s=0.1, turn_s=0.5)
    times = take_turns(sides, schedule)
    ends = {"plain": plain.end_of_epoch(), "signbin": ours.end_of_epoch()}
    epochs = {
        name: STEPS * times[name].median_ms / 1e3 + ends[name] for name in ("plain", "signbin")
    }
    return {
        **{"weights": weights, "blocks": options.blocks, "setting": setting},
        **{"threads": options.threads, "device": options.device, "batch": 128},
        "step": times["signbin"].to_json(),
        "plain_step": times["plain"].to_json(),
        # Theirs / ours is the speed-up; the bound of a fair epoch is on ours / theirs.
        "speed_up": paired_ratio(times["plain"], times["signbin"]).to_json(),
        "end_of_epoch_s": ends,
        "epoch_s": epochs,
        "epoch_ratio": epochs["signbin"] / epochs["plain"],
    }


def _endless(sampler: Any) -> Iterator[Batch]:
    return itertools.chain.from_iterable(sampler.remaining_batches() for _ in itertools.count())


def _reestimated(model: nn.Module, some: Batch, images: int) -> None:
    """Batch norm from as many images as the recipe says, these again and again."""
    repeats = -(-images // len(some.images))
    reestimate_batch_norm(model, some.images.repeat(repeats, 1, 1, 1)[:images])


def _evaluation_seconds(model: nn.Module, machine: Machine) -> float:
    held_out = HeldOut(random_images(_MEASURED_TEST_IMAGES), _PREPROCESSING, machine.placement)
    start = time.perf_counter()
    evaluate(model, held_out)
    _finish(machine.device)
    return (time.perf_counter() - start) * TEST_IMAGES / _MEASURED_TEST_IMAGES


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("--settings", nargs="+", default=["float32"], choices=list(SETTINGS))
    parser.add_argument("--weights", nargs="+", default=["signed_binary"])
    parser.add_argument("--blocks", choices=("plain", "paper"), default="paper")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cuda-graphs", action="store_true")
    add_turns(parser, rounds=5)
    parser.add_argument("--section", default="training", help="where in the results file")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    """Measure every combination and record the rows."""
    options = _arguments(given)
    torch.set_num_threads(options.threads)
    rows = []
    for weights, setting in itertools.product(options.weights, options.settings):
        row = measure(options, weights, setting)
        rows.append(row)
        print(
            f"{weights} {options.blocks} {setting}: step {row['step']['median_ms']:.0f} ms "
            f"(min {row['step']['min_ms']:.0f}), plain {row['plain_step']['median_ms']:.0f} "
            f"(min {row['plain_step']['min_ms']:.0f}), epoch {row['epoch_s']['signbin']:.0f} s, "
            f"ratio {row['epoch_ratio']:.2f}",
            file=sys.stderr,
        )
    print(record(options.section, {"rows": rows}, options.results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
