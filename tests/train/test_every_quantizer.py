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

# Half a second each, in a few large steps, and a fifth of the default recipe's work: seconds.
BRIEF = {
    **{"seeds": [0], "model.width": 8, "epochs": 2, "batch_norm_images": 256},
    **{"data.batch_size": 128, "optimizer.learning_rate": 1e-2, "model.block_style": "paper"},
}
SHORT = {"seeds": [0], "model.width": 16, "epochs": 10, "model.block_style": "paper"}
# All are trained briefly; the longer trainings of the others are wide.
AT_LENGTH = {"signed_binary"}
FAMILIES = {"uniform", "gaussian", "laplacian"}
# Two or three values per filter in a form the engine has; TTQ's three are not symmetric.
LOW_BIT = set(QUANTIZERS) - {"ttq", "lq_nets", "abc_net", "ls2", "greedy_foldings"}
WITH_OFFSET = {"signed_binary"}
# Per filter. The quantisers of several bits have two of them unless told otherwise.
MOST_VALUES = {
    ValueSet.BINARY: 2,
    ValueSet.TERNARY: 3,
    ValueSet.SIGNED_BINARY: 2,
    ValueSet.MULTI_BIT: 4,
}
# A compiler sees weights and not the quantiser that made them: one of every value set, and TTQ,
# which has three values of another form; for the others compiling is wide.
COMPILED = {QUANTIZERS[kind]().value_set: kind for kind in reversed(QUANTIZERS)}
COMPILED = {*COMPILED.values(), "ttq"}


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


def schedules(*, brief=QUANTIZERS):
    """(quantiser, settings, least accuracy) of every training; all but the named are wide."""
    for kind in QUANTIZERS:
        for name, settings, least, kept in (
            ("brief", BRIEF, 0.35, brief),
            ("short", SHORT, 0.9, AT_LENGTH),
        ):
            marks = () if kind in kept else pytest.mark.wide
            yield pytest.param((kind, settings, least), id=f"{kind}-{name}", marks=marks)


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


def test_its_filters_have_the_few_values_that_a_compiler_recognises(trained):
    value_set = QUANTIZERS[trained.kind]().value_set
    for layer in quantized_layers(trained.run.model).values():
        for weights in layer.exact_weight().detach().flatten(1):
            values = weights.unique()
            nonzero = values[values != 0]
            assert len(values) <= MOST_VALUES[value_set]
            if value_set is ValueSet.BINARY:
                assert len(nonzero) == len(values)
            if trained.kind in LOW_BIT and trained.kind not in WITH_OFFSET:
                assert nonzero.abs().unique().numel() <= 1


# As many parameters as the fixture has, in its order: a training serves all of its claims.
@pytest.mark.parametrize("trained", list(schedules(brief=COMPILED)), indirect=True, scope="module")
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
