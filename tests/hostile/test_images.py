"""Image files of few bytes that would be many pixels are refused, and take no memory."""

import os
import resource
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from signbin.centre_crop import MOST_PIXELS
from signbin.errors import FormatError
from signbin.runtime import load_image
from signbin.spec import Preprocessing
from signbin.train.data.image_files import ImageFiles

PREPROCESSING = Preprocessing(3, 224, 224, (0.0,) * 3, (1.0,) * 3, resize=256)


def png(path, width, height):
    """A grey image of zeros; its pixels only where they are few."""

    def chunk(kind, data):
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    rows = bytes((width + 1) * height) if width * height < 10**6 else b""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    return path


def trained_on(path):
    files = ImageFiles(path.parent, (path.name,), (1,), np.zeros(1, np.int64))
    return files.read_centre(0, PREPROCESSING)


@pytest.fixture
def fractional(tmp_path):
    """A TIFF file whose pixels begin at a fraction of a byte."""
    path = tmp_path / "image.tif"
    Image.new("RGB", (4, 4)).save(path)
    content = bytearray(path.read_bytes())
    place = content.index(struct.pack("<HH", 273, 4))  # where strips begin, a whole number
    struct.pack_into("<H", content, place + 2, 11)
    path.write_bytes(content)
    return path


READERS = {"runtime": lambda path: load_image(path, PREPROCESSING), "training": trained_on}
TOO_MANY = {
    "thin": (1, 100_000),
    "flat": (100_000, 1),
    "more than Pillow warns of": (10_000, 10_000),
    "more than Pillow takes": (2**31 - 1, 2**31 - 1),
    "one row more": (2**13, 2**13 + 1),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", TOO_MANY)
def test_more_pixels_than_memory_is_for_are_refused(tmp_path, name, reader):
    path = png(tmp_path / "image.png", *TOO_MANY[name])
    with pytest.raises(FormatError, match=r"image\.png.*at most 67108864 pixels"):
        READERS[reader](path)


@pytest.mark.parametrize("reader", READERS)
def test_a_thin_image_of_few_pixels_is_read(tmp_path, reader):
    assert MOST_PIXELS > 256 * 100 * 256
    READERS[reader](png(tmp_path / "image.png", 1, 100))


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "image.png")
    with pytest.raises(FormatError, match="not a regular file"):
        load_image(tmp_path / "image.png", PREPROCESSING)


def test_what_the_runtime_sees_training_saw(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (300, 400, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    seen = np.asarray(trained_on(tmp_path / "image.png"), np.float32) / np.float32(255)
    found = load_image(tmp_path / "image.png", PREPROCESSING)
    np.testing.assert_array_equal(found, seen.transpose(2, 0, 1))


def test_refusing_takes_no_memory(tmp_path):
    path = png(tmp_path / "image.png", 1, 100_000)
    assert path.stat().st_size < 300
    code = (
        "import sys; from pathlib import Path; import PIL.Image\n"
        "from signbin.runtime import load_image; from signbin.spec import Preprocessing\n"
        "given = Preprocessing(3, 224, 224, (0.0,) * 3, (1.0,) * 3, resize=256)\n"
        "try: load_image(Path(sys.argv[1]), given)\n"
        "except Exception as error: print(type(error).__name__)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, path],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (2**29, 2**29)),
        check=True,
        timeout=60,
    )
    assert found.stdout == "FormatError\n"


@pytest.mark.parametrize("reader", READERS)
def test_whatever_pillow_raises_is_our_error(fractional, reader):
    with pytest.raises(FormatError, match="image"):
        READERS[reader](fractional)
