"""Score an array of images in batches, on all cores, and write what was found as a table.

    python examples/train_and_compile.py digits.sbn
    python examples/score_images.py digits.sbn images.npy scores.csv

A program is called from any number of threads at once: it holds no lock of Python's while it runs.
For what does not fit into memory, may be interrupted, or is scored on a cluster: `signbin predict`.
"""

import csv
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import signbin

BATCH = 64


def softmax(scores: np.ndarray) -> np.ndarray:
    """(N, K) to shares that sum to 1."""
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def main(model: str, images: str, target: str) -> None:
    """Rows in the order of the images, whichever batch is ready first."""
    program = signbin.Program.load(model)
    names = program.artifact.class_names
    pixels = np.load(images, mmap_mode="r")  # uint8 (N, C, H, W): the model says how to prepare it
    batches = [pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH)]
    began = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        shares = np.concatenate(list(threads.map(lambda batch: softmax(program(batch)), batches)))
    seconds = time.perf_counter() - began
    with Path(target).open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["row", "class", "share"])
        for row, share in enumerate(shares):
            table.writerow([row, names[share.argmax()], f"{share.max():.4f}"])
    print(f"{target}: {len(shares)} images, {len(shares) / seconds:,.0f} per second")


if __name__ == "__main__":
    main(*sys.argv[1:4])
