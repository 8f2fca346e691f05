"""Every quantiser of the list trains a network, and what it made compiles and agrees."""

import dataclasses

import numpy as np
import pytest
import torch

import signbin
from signbin import native
from signbin.errors import ExecutionError
from signbin.quant import QUANTIZERS, quantized_layers
from signbin.spec import ValueSet
from signbin.train import Run, RunResult, load_recipe, load_run, train

# Half a second each, and a fifth of the default recipe's work: seconds for each.
BRIEF = {"seeds": [0], "model.width": 8, "epochs": 2}
SHORT = {"seeds": [0], "model.width": 16, "epochs": 8}
# All are trained briefly; the longer trainings of the others are wide.
AT_LENGTH = {"signed_binary"}
FAMILIES = {"uniform", "gaussian", "laplacian"}
# Two or three values per filter in a form the engine has; TTQ's three are not symmetric.
LOW_BIT = set(QUANTIZERS) - {"ttq", "lq_nets", "abc_net", "ls2", "greedy_foldings"}


def has_native_library() -> bool:
    try:
        native.extension()
    except ExecutionError:
        return False
    return True


@dataclasses.dataclass(frozen=True)
class Trained:
    """A network of one quantiser, and the accuracy that it reaches at least."""

    kind: str
    least: float
    result: RunResult
    run: Run


def schedules():
    """(quantiser, settings, least accuracy) of every training."""
    for kind in QUANTIZERS:
        yield pytest.param((kind, BRIEF, 0.35), id=f"{kind}-brief")
        marks = () if kind in AT_LENGTH else pytest.mark.wide
        yield pytest.param((kind, SHORT, 0.9), id=f"{kind}-short", marks=marks)


@pytest.fixture(scope="module", params=schedules())
def trained(request, tmp_path_factory):
    kind, settings, least = request.param
    value_set = QUANTIZERS[kind]().value_set.value
    chosen = {"weights": value_set, f"quantizers.{value_set}": {"weight": {"kind": kind}}}
    torch.set_num_threads(1)
    output = tmp_path_factory.mktemp("runs") / kind
    result = train(load_recipe("digits", {**settings, **chosen}), output, progress=False)
    return Trained(kind, least, result, load_run(output))


def test_it_learns_to_recognise_nine_digits_of_ten_and_soon_a_third(trained):
    result, run = trained.result, trained.run
    assert result.mean_accuracy > trained.least
    with torch.no_grad():
        answers = run.model(torch.from_numpy(run.test_images)).argmax(1).numpy()
    assert (answers == run.test_labels).mean() == pytest.approx(result.mean_accuracy)


def test_its_health_is_in_the_run_folder(trained):
    kind, run = trained.kind, trained.run
    layers = run.metrics[-1]["health"]["layers"]
    assert [layer["name"] for layer in layers] == list(quantized_layers(run.model))
    for layer in layers:
        assert 0 < layer["density"] <= 1
        assert layer["dead_filters"] < layer["filters"]
        assert 0 < layer["positive"] < 1
        assert -1e-9 <= layer["gradient_mismatch"] < 1
        assert layer["latent"]["family"] in FAMILIES
    if QUANTIZERS[kind]().value_set is ValueSet.BINARY:
        assert all(layer["density"] == 1 for layer in layers)


@pytest.mark.skipif(not has_native_library(), reason="the native library is not built")
def test_its_network_compiles_and_computes_what_pytorch_does(trained):
    kind, run = trained.kind, trained.run
    images = torch.from_numpy(run.test_images[:64])
    program = signbin.compile(run.model, (images[:2],))
    with torch.no_grad():
        expected = run.model(images).numpy()
    # Sums of 300 float32 products in another order.
    np.testing.assert_allclose(program(images.numpy()), expected, rtol=1e-4, atol=1e-4)
    low_bit = [layer for layer in program.plan.layers if layer.value_set != "float"]
    assert len(low_bit) == (4 if kind in LOW_BIT else 0)
