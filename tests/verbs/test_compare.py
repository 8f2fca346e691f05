"""compare: how far apart PyTorch and a compiled program may be."""

import contextlib
import dataclasses

import pytest
import torch

import signbin
from signbin.diagnose import Comparison, LayerDifference
from signbin.diagnose.exactness import Exactness
from signbin.errors import SignbinError
from signbin.verbs.compare import compare_source, gate
from signbin.verbs.source import ModelCard, Source


@pytest.fixture
def comparison() -> Comparison:
    """A float program within its tolerance that names nearly every class as PyTorch does."""
    return Comparison(100, 0.1, 1e-6, 0.995, ())


@pytest.mark.parametrize(("agreement", "asked", "passes"), [(0.94, 0.9, True), (0.9, 0.95, False)])
def test_as_many_classes_may_change_as_was_said(comparison, agreement, asked, passes) -> None:
    found = dataclasses.replace(comparison, top1_agreement=agreement, min_agreement=asked)
    with contextlib.nullcontext() if passes else pytest.raises(SignbinError, match="disagrees"):
        gate(found)


def test_float_programs_must_name_the_same_classes_unless_told_otherwise(comparison) -> None:
    with pytest.raises(SignbinError, match="at least 100 %"):
        gate(comparison)
    gate(dataclasses.replace(comparison, min_agreement=0.99))


def test_a_layer_that_is_marked_fails_the_comparison(comparison) -> None:
    """What the table marks and what the exit code says are one rule."""
    marked = LayerDifference("conv", "stage.conv", 0.0, 2e-4, 1e-5, outside=True)
    same = dataclasses.replace(comparison, top1_agreement=1.0)
    gate(same)
    with pytest.raises(SignbinError, match="disagrees with PyTorch"):
        gate(dataclasses.replace(same, layers=(marked,)))


def test_numbers_that_have_nothing_in_common_say_that_a_factory_has_to_load_its_weights() -> None:
    other = Comparison(100, 0.1, 1.9, 0.1, ())
    with pytest.raises(SignbinError, match=r"a factory has to load its weights, or to seed"):
        gate(other)


def test_one_code_that_differs_breaks_the_contract(comparison) -> None:
    broken = dataclasses.replace(
        comparison, top1_agreement=1.0, exactness=Exactness(10, 1, "conv1"), min_agreement=0.0
    )
    with pytest.raises(SignbinError, match=r"contract.*1 of 10 values differ.*conv1"):
        gate(broken)


class Branches(torch.nn.Module):
    """Two inputs and two outputs in a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = torch.nn.Conv2d(2, 4, 3), torch.nn.Linear(5, 4)

    def forward(self, image: torch.Tensor, extra: torch.Tensor) -> dict[str, torch.Tensor]:
        features = self.left(image).mean((2, 3))
        return {"features": features, "scores": features * self.right(extra).sigmoid()}


def test_networks_of_several_inputs_and_outputs_are_compared_with_two_engines_of_others() -> None:
    torch.manual_seed(0)
    model, example = Branches().eval(), (torch.randn(3, 2, 6, 6), torch.randn(3, 5))
    source = Source("branches", model, example, ModelCard())
    found = compare_source(source, signbin.compile(model, example))
    assert found.passes
    assert found.engines == ("onnxruntime",)
    assert all(layer.other_errors["onnxruntime"] < 1e-5 for layer in found.layers)


def test_another_network_is_named_where_it_parts_with_the_numbers_of_all() -> None:
    torch.manual_seed(0)
    model, example = Branches().eval(), (torch.randn(3, 2, 6, 6), torch.randn(3, 5))
    program = signbin.compile(model, example)
    with torch.no_grad():
        model.left.weight[2] += 0.5
    found = compare_source(Source("branches", model, example, ModelCard()), program)
    parting = found.divergence
    assert parting is not None
    assert parting.source == "left"
    assert parting.odd == ("signbin",)
    assert parting.own is None
    assert set(parting.values) == {"pytorch", "interpreter", "onnxruntime", "signbin"}
    with pytest.raises(SignbinError, match=r"signbin alone.*the very model that was compiled"):
        gate(found)
