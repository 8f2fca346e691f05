"""``check`` answers before anybody goes for coffee: ResNet-50, from a file and from a module."""

import contextlib
import io

from benchmarks.latency_networks import example_of
from signbin.capture import capture
from signbin.cli import main
from signbin.interop import to_onnx
from tests.patience import soon


def check(source):
    """What the command prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main(["check", str(source)])
    return out.getvalue()


def test_resnet_50_is_checked_in_5_seconds_from_onnx_and_in_20_from_a_module(tmp_path):
    path, factory = tmp_path / "resnet50.onnx", tmp_path / "own.py"
    model, examples = example_of("resnet50")
    path.write_bytes(to_onnx(capture(model, examples)).SerializeToString())
    text = "from benchmarks.latency_networks import example_of\n"
    factory.write_text(f"{text}def make(): return example_of('resnet50')\n", encoding="utf-8")
    for source, seconds in ((path, 5.0), (f"{factory}:make", 20.0)):
        found = soon(lambda source=source: check(source), seconds)
        assert "all operators run" in found
        assert "signed_binary 0.07, codes" in found
