"""Every quantiser of the list trains a network, and what it made compiles and agrees."""

import numpy as np
import pytest
import torch

import signbin
from signbin import native
from signbin.errors import ExecutionError
from signbin.quant import QUANTIZERS, quantized_layers
from signbin.spec import ValueSet
from signbin.train import load_recipe, load_run, train

# A fifth of the default recipe's work: seconds for each.
SHORT = {"seeds": [0], "model.width": 16, "epochs": 8}
FAMILIES = {"uniform", "gaussian", "laplacian"}
# Two or three values per filter in a form the engine has; TTQ's three are not symmetric.
LOW_BIT = set(QUANTIZERS) - {"ttq", "lq_nets", "abc_net", "ls2", "greedy_foldings"}


def has_native_library() -> bool:
    try:
        native.extension()
    except ExecutionError:
        return False
    return True


@pytest.fixture(scope="module", params=QUANTIZERS)
def trained(request, tmp_path_factory):
    kind = request.param
    value_set = QUANTIZERS[kind]().value_set.value
    chosen = {"weights": value_set, f"quantizers.{value_set}": {"weight": {"kind": kind}}}
    torch.set_num_threads(1)
    output = tmp_path_factory.mktemp("runs") / kind
    result = train(load_recipe("digits", {**SHORT, **chosen}), output, progress=False)
    return kind, result, load_run(output)


def test_it_recognises_nine_digits_of_ten(trained):
    _, result, run = trained
    assert result.mean_accuracy > 0.9
    with torch.no_grad():
        answers = run.model(torch.from_numpy(run.test_images)).argmax(1).numpy()
    assert (answers == run.test_labels).mean() == pytest.approx(result.mean_accuracy)


def test_its_health_is_in_the_run_folder(trained):
    kind, _, run = trained
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
    kind, _, run = trained
    images = torch.from_numpy(run.test_images[:64])
    program = signbin.compile(run.model, (images[:2],))
    with torch.no_grad():
        expected = run.model(images).numpy()
    # Sums of 300 float32 products in another order.
    np.testing.assert_allclose(program(images.numpy()), expected, rtol=1e-4, atol=1e-4)
    low_bit = [layer for layer in program.plan.layers if layer.value_set != "float"]
    assert len(low_bit) == (4 if kind in LOW_BIT else 0)
