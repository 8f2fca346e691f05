"""Which rule moves which weights, how far, and what decays."""

import copy

import pytest
import torch
from torch import nn

from signbin.errors import SpecError
from signbin.quant import Binary, QuantConfig, quantize_
from signbin.train import OptimizerConfig, load_recipe
from signbin.train.config import LowBitOptimizerConfig, OptimizerName
from signbin.train.optimizers import JointOptimizer, make_optimizer, set_learning_rates
from signbin.train.schedules import RunLength, learning_rate


@pytest.mark.parametrize("name", list(OptimizerName))
def test_only_weight_tensors_decay(name):
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.PReLU(3), nn.Linear(3, 2))
    config = OptimizerConfig(name=name, weight_decay=0.1)
    decayed, others = make_optimizer(model, config).param_groups
    assert decayed["weight_decay"] == 0.1
    assert others["weight_decay"] == 0.0
    assert {id(p) for p in decayed["params"]} == {id(model[0].weight), id(model[3].weight)}
    assert len(decayed["params"]) + len(others["params"]) == len(list(model.parameters()))


def test_the_optimizer_is_the_one_that_was_asked_for():
    model = nn.Linear(2, 2)
    sgd = make_optimizer(model, OptimizerConfig(name=OptimizerName.SGD, momentum=0.8))
    assert isinstance(sgd, torch.optim.SGD)
    assert sgd.param_groups[0]["momentum"] == 0.8
    assert type(make_optimizer(model, OptimizerConfig())) is torch.optim.Adam
    adamw = OptimizerConfig(name=OptimizerName.ADAMW)
    assert type(make_optimizer(model, adamw)) is torch.optim.AdamW


def test_adamw_decays_the_weight_and_not_the_gradient():
    for name, expected in ((OptimizerName.ADAMW, 1.0 - 0.1 * 0.5), (OptimizerName.ADAM, 0.9)):
        model = nn.Linear(1, 1, bias=False)
        nn.init.ones_(model.weight)
        config = OptimizerConfig(name=name, learning_rate=0.1, weight_decay=0.5)
        optimizer = make_optimizer(model, config)
        model.weight.grad = torch.zeros(1, 1)
        optimizer.step()
        assert model.weight.item() == pytest.approx(expected)


def quantised() -> nn.Sequential:
    """A network of a float stem, two low-bit layers and a float classifier."""
    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Linear(3, 4), nn.Linear(4, 4, bias=False), nn.PReLU(4)),
        *(nn.Linear(4, 4), nn.Linear(4, 2)),
    )
    quantize_(model, QuantConfig(Binary()))
    return model


def low_bit(**options) -> OptimizerConfig:
    return OptimizerConfig(
        name=OptimizerName.SGD,
        learning_rate=0.2,
        weight_decay=0.01,
        low_bit=LowBitOptimizerConfig(**{"learning_rate": 0.003, **options}),
    )


@pytest.mark.parametrize("name", [None, *OptimizerName])
def test_latent_weights_and_no_others_have_a_rule_of_their_own(name):
    model = quantised()
    optimizer = make_optimizer(model, low_bit(name=name, weight_decay=0.5))
    set_learning_rates(optimizer.param_groups, low_bit(), 3, RunLength(2, 5))
    weights, others, latent = optimizer.param_groups
    assert {id(each) for each in latent["params"]} == {id(model[1].weight), id(model[3].weight)}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(
        list(model.parameters())
    )
    assert [group["weight_decay"] for group in (weights, others, latent)] == [0.01, 0.0, 0.5]
    share = learning_rate(low_bit(), 3, RunLength(2, 5)) / 0.2
    rates = [group["lr"] for group in (weights, others, latent)]
    assert rates == pytest.approx([0.2 * share, 0.2 * share, 0.003 * share])
    assert isinstance(optimizer, JointOptimizer) == (name not in {None, OptimizerName.SGD})


def test_a_joint_step_is_the_step_of_every_rule_alone():
    model, alone = quantised(), quantised()
    joint = make_optimizer(model, low_bit(name=OptimizerName.ADAM))
    latent = [alone[1].weight, alone[3].weight]
    rest = [p for p in alone.parameters() if all(p is not each for each in latent)]
    decayed = [p for p in rest if p.ndim > 1]
    rules = [
        torch.optim.SGD(decayed, lr=0.2, momentum=0.9, nesterov=True, weight_decay=0.01),
        torch.optim.SGD([p for p in rest if p.ndim <= 1], lr=0.2, momentum=0.9, nesterov=True),
        torch.optim.Adam(latent, lr=0.003),
    ]
    for _ in range(3):
        x = torch.randn(6, 3)
        set_learning_rates(joint.param_groups, low_bit(), 0, RunLength(1, 9))
        for network, steps in ((model, [joint]), (alone, rules)):
            for rule in steps:
                rule.zero_grad()
            network(x).square().sum().backward()
            for rule in steps:
                rule.step()
    for found, expected in zip(model.parameters(), alone.parameters(), strict=True):
        assert torch.equal(found, expected)


def test_the_state_of_all_rules_is_kept_and_a_wrong_number_of_them_refused():
    model = quantised()
    joint = make_optimizer(model, low_bit(name=OptimizerName.ADAM))
    model(torch.randn(6, 3)).square().sum().backward()
    joint.step()
    again = quantised()
    again.load_state_dict(model.state_dict())
    other = make_optimizer(again, low_bit(name=OptimizerName.ADAM))
    other.load_state_dict(copy.deepcopy(joint.state_dict()))
    for network, rule in ((model, joint), (again, other)):
        rule.zero_grad()
        network(torch.ones(2, 3)).square().sum().backward()
        rule.step()
    for found, expected in zip(again.parameters(), model.parameters(), strict=True):
        assert torch.equal(found, expected)
    with pytest.raises(ValueError, match="zip"):
        other.load_state_dict({"rules": []})


def test_a_float_network_ignores_the_rule_of_low_bit_weights():
    optimizer = make_optimizer(nn.Linear(2, 2), low_bit(name=OptimizerName.ADAM))
    assert len(optimizer.param_groups) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0.0}, r"optimizer.low_bit.learning_rate: got 0.0; allowed: 0 < x"),
        ({"learning_rate": 1e31}, r"low_bit.learning_rate"),
        ({"weight_decay": -1.0}, r"low_bit.weight_decay: got -1.0; allowed: >= 0"),
        ({"weight_decay": float("nan")}, r"low_bit.weight_decay"),
    ],
)
def test_rates_of_low_bit_weights_are_checked_by_name(options, message):
    with pytest.raises(SpecError, match=message):
        low_bit(**options)


def test_a_recipe_may_name_them():
    config = load_recipe(
        "digits", {"optimizer.low_bit": {"name": "adam", "learning_rate": 0.003}}
    ).optimizer.low_bit
    assert config == LowBitOptimizerConfig(0.003, OptimizerName.ADAM)
