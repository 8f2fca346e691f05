"""A network of PyTorch with signed-binary weights: trained, compiled, and run without PyTorch.

python examples/train_and_compile.py digits.sbn
"""

import sys

import torch
from torch import nn

import signbin
from signbin.quant import QuantConfig, SignedBinary, quantize_
from signbin.train import load_dataset


def network() -> nn.Module:
    """Ordinary layers; all but the first and the last become signed-binary."""
    layers = nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()),
        *(nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64)),
        *(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)),
    )
    print(quantize_(layers, QuantConfig(weight=SignedBinary())))
    return layers


def main(path: str, epochs: int = 8) -> None:
    """Your own loop: nothing of it is signbin's but the layers."""
    torch.manual_seed(0)
    data = load_dataset("digits")
    pixels = torch.from_numpy(data.train.pixels.copy()) / 255
    labels = torch.from_numpy(data.train.labels.copy())
    model = network()
    steps = epochs * (len(labels) // 64)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(epochs):
        for batch in torch.randperm(len(labels)).split(64)[: len(labels) // 64]:
            loss = nn.functional.cross_entropy(model(pixels[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    pixels_to_numbers = signbin.Preprocessing(1, 8, 8, mean=(0.0,), std=(1.0,))
    card = signbin.ModelCard(pixels_to_numbers, data.class_names)
    program = signbin.compile(model.eval(), (pixels[:1],), card=card)
    program.save(path, overwrite=True)
    found = program(data.test.pixels).argmax(1)
    print(program.plan)
    print(f"{path}: {(found == data.test.labels).mean():.1%} of {len(found)} test images are right")


if __name__ == "__main__":
    main(*sys.argv[1:2] or ["digits.sbn"], *map(int, sys.argv[2:]))
