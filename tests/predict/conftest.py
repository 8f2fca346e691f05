"""A small network that says how images are prepared, and images in every form that is read."""

import io
import os
import tarfile
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import nn

import signbin

COUNT = 37


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.conv.weight.data = torch.randint(0, 2, (8, 3, 3, 3)).float() * 0.2
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.conv(x).relu().mean((2, 3)))


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    preprocessing = signbin.Preprocessing(3, 8, 8, (0.5,) * 3, (0.25,) * 3)
    card = signbin.ModelCard(preprocessing, ("ant", "bee", "cat", "dog"))
    program = signbin.compile(Small().eval(), (torch.zeros(1, 3, 8, 8),), card=card)
    path = tmp_path_factory.mktemp("model") / "small.sbn"
    program.save(path)
    return path


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A folder of PNG files in two folders; the pixels (N, H, W, C) in the order of their names."""
    folder = tmp_path_factory.mktemp("pictures")
    pixels = np.random.default_rng(0).integers(0, 256, (COUNT, 8, 8, 3)).astype(np.uint8)
    for number, image in enumerate(pixels):
        path = folder / ("a" if number < 20 else "b") / f"{number:03}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path)
    (folder / "a" / "notes.txt").write_text("no image")
    return folder, pixels


@pytest.fixture(scope="session")
def forms(pictures, tmp_path_factory):
    """The same images in every form, by its ending."""
    folder, pixels = pictures
    made = tmp_path_factory.mktemp("forms")
    files = sorted(folder.rglob("*.png"))
    with zipfile.ZipFile(made / "images.zip", "w") as archive:
        for path in files:
            archive.write(path, path.relative_to(folder))
    with tarfile.open(made / "images.tar", "w") as archive:
        for path in reversed(files):
            archive.add(path, path.relative_to(folder))
    np.save(made / "images.npy", pixels)
    np.savez(made / "images.npz", images=pixels, labels=np.zeros(COUNT, np.int64))
    structs = [{"bytes": path.read_bytes(), "path": path.name} for path in files]
    table = pa.table({"image": structs, "label": [0] * COUNT})
    pq.write_table(table, made / "images.parquet", row_group_size=10)
    plain = pa.table({"image": [path.read_bytes() for path in files]})
    with (
        pa.OSFile(str(made / "images.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, plain.schema) as writer,
    ):
        writer.write_table(plain, max_chunksize=9)
    with (
        pa.OSFile(str(made / "images.feather"), "wb") as sink,
        pa.ipc.new_stream(sink, plain.schema) as writer,
    ):
        writer.write_table(plain)
    return {"": folder, **{path.suffix: path for path in made.iterdir()}}


def encoded(image):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "png")
    return stream.getvalue()


os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
