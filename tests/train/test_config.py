import contextlib
import dataclasses
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbin.documents import from_document, to_document
from signbin.errors import SpecError
from signbin.quant import StraightThrough
from signbin.spec import ScaleKind, ValueSet
from signbin.strict_yaml import read_yaml, write_yaml
from signbin.train import (
    OptimizerConfig,
    OptimizerName,
    ScheduleName,
    TrainConfig,
    load_recipe,
    parse_override,
    recipe_names,
)


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_goes_by_its_file_name(name):
    assert load_recipe(name).recipe == name


@pytest.mark.parametrize("name", recipe_names())
def test_a_resolved_configuration_written_as_yaml_reads_back_equal(name):
    config = load_recipe(name)
    assert from_document(TrainConfig, read_yaml(write_yaml(to_document(config)), "x")) == config


@given(
    st.builds(
        OptimizerConfig,
        name=st.sampled_from(OptimizerName),
        learning_rate=st.floats(1e-9, 1e9),
        schedule=st.sampled_from([*ScheduleName][:3]),
        warmup=st.floats(0, 0.99),
        clip_gradient=st.none() | st.floats(1e-9, 1e9),
    )
)
@settings(deadline=None, max_examples=40)
def test_every_optimizer_configuration_survives_yaml(config):
    text = write_yaml(to_document(config))
    assert from_document(OptimizerConfig, read_yaml(text, "x")) == config


def test_an_unknown_key_is_refused_and_the_allowed_ones_are_named():
    with pytest.raises(SpecError, match=r"key of optimizer: got 'rate'.*learning_rate"):
        load_recipe("digits", {"optimizer.rate": 1.0})
    with pytest.raises(SpecError, match=r"key: got 'epoch'.*epochs"):
        load_recipe("digits", {"epoch": 1})


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("epochs", -1, "epochs: got -1; allowed: >= 0"),
        ("epochs", 2.5, "epochs: got 2.5; allowed: a whole number"),
        ("epochs", True, "epochs: got True"),
        ("epochs", "3", "epochs: got '3'"),
        ("optimizer.learning_rate", 0, "optimizer.learning_rate: got 0.0; allowed: 0 < x"),
        ("optimizer.learning_rate", float("nan"), "allowed: a finite number"),
        ("optimizer.warmup", 1.0, "optimizer.warmup"),
        ("optimizer.clip_gradient", 0.0, "optimizer.clip_gradient"),
        ("optimizer.weight_decay", -1.0, "optimizer.weight_decay"),
        ("optimizer.name", "adagrad", "allowed: adam, adamw, sgd"),
        ("loss.label_smoothing", 1.0, "loss.label_smoothing"),
        ("data", [], "data: got []; allowed: a mapping"),
        ("data.shift", -1, "data.shift"),
        ("data.batch_size", 1, "data.batch_size: got 1; allowed: >= 2"),
        ("model.width", 0, "model.width"),
        ("seeds", [], "seeds: got ()"),
        ("seeds", [1, 1], "different whole numbers"),
        ("seeds", [0, -1], "different whole numbers"),
        ("seeds", 3, "seeds: got 3; allowed: a list"),
        ("seeds", [0, "1"], "seeds[1]: got '1'"),
        ("weights", "sparse", "allowed: float, binary, ternary, signed_binary"),
        ("recipe", " ", "recipe"),
        ("quantizers.binary.weight.scal", "mean", "quantizers.binary: key of binary: got 'scal"),
        ("quantizers.binary.weight.kind", "ternary", "allowed: a quantiser to {-1,+1}"),
        ("quantizers.binary.estimator", 3, "quantizers.binary"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key(key, value, message):
    with pytest.raises(SpecError) as caught:
        load_recipe("digits", {key: value})
    assert message in str(caught.value)


def test_an_override_reaches_no_further_than_its_key():
    plain, changed = load_recipe("digits"), load_recipe("digits", {"weights": "binary"})
    assert changed == dataclasses.replace(plain, weights=ValueSet.BINARY)


def test_a_new_kind_drops_the_options_of_the_old_one():
    key = "quantizers.signed_binary.estimator"
    decaying = {f"{key}.kind": "shifted_ede", f"{key}.t_max": 5.0}
    assert load_recipe("digits", decaying).quantizers.signed_binary.estimator.t_max == 5.0
    config = load_recipe("digits", {key: {"kind": "ede", "t_max": 5.0}, f"{key}.kind": "identity"})
    assert config.quantizers.signed_binary.estimator == StraightThrough()


def test_quantizer_options_reach_the_quantizer():
    config = load_recipe("digits", {"quantizers.signed_binary.weight.scale": "learned"})
    quantizer = config.quantizers.of(ValueSet.SIGNED_BINARY)
    assert quantizer is not None
    assert quantizer.weight.scale is ScaleKind.LEARNED
    assert config.quantizers.of(ValueSet.FLOAT) is None


@pytest.mark.parametrize("key", ["nothing.x", "epochs.x", "data.name.x", "data.name.x.y"])
def test_an_override_below_nothing_is_refused(key):
    with pytest.raises(SpecError, match="override"):
        load_recipe("digits", {key: 1})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("epochs=3", ("epochs", 3)),
        ("seeds=[0, 1]", ("seeds", [0, 1])),
        ("optimizer.learning_rate=2e-3", ("optimizer.learning_rate", 0.002)),
        ("a=1E5", ("a", 100000.0)),
        ("a=-.5", ("a", -0.5)),
        ("a=12", ("a", 12)),
        ("a=b=c", ("a", "b=c")),
        ("a=null", ("a", None)),
        ("a=1e", ("a", "1e")),
    ],
)
def test_an_override_text_is_key_equals_yaml(text, expected):
    key, value = parse_override(text)
    assert (key, value) == expected
    assert type(value) is type(expected[1])


@pytest.mark.parametrize("text", ["epochs", "=3", "a=[1", "a={b: 1, b: 2}", "a=!!python/name:os"])
def test_a_malformed_override_text_is_refused(text):
    with pytest.raises(SpecError):
        parse_override(text)


def test_a_key_given_twice_is_refused():
    with pytest.raises(SpecError, match="'epochs' appears twice"):
        read_yaml("epochs: 1\nepochs: 2\n", "recipe")


@given(st.text(alphabet="a:{}[]?-&*!|>#'\"\n 1e.<"))
@settings(deadline=None, max_examples=200)
def test_reading_any_text_as_yaml_ends_in_a_document_or_a_spec_error(text):
    with contextlib.suppress(SpecError):
        read_yaml(text, "text")


def test_a_missing_required_key_is_named():
    with pytest.raises(SpecError, match="data: allowed: this key is required"):
        from_document(TrainConfig, {"recipe": "mine"})


def test_a_recipe_may_be_a_users_file(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text("recipe: mine\ndata: {name: digits}\nmodel: {name: digits_resnet}\nepochs: 1\n")
    assert load_recipe(path) == load_recipe(str(path))
    assert load_recipe(path).recipe == "mine"


def test_an_unknown_recipe_or_unreadable_file_is_refused(tmp_path: Path):
    with pytest.raises(SpecError, match=r"recipe: got 'digit'; allowed: .*digits"):
        load_recipe("digit")
    for path in (tmp_path / "no.yaml", tmp_path):
        with pytest.raises(SpecError, match="recipe file"):
            load_recipe(path)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match="recipe file"):
        load_recipe(binary)


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("optimiser: {name: sgd}", "optimizer"),
        ("model: {name: digits_resnet, blok_style: plain}", "block_style"),
        ("epoch: 3", "epochs"),
        ("quantizers: {signed_binry: {}}", "signed_binary"),
    ],
)
def test_an_unknown_key_of_a_recipe_is_refused_with_the_nearest_one(tmp_path, line, meant):
    text = "recipe: mine\ndata: {name: digits}\nepochs: 1\nmodel: {name: digits_resnet}\n"
    kept = [each for each in text.splitlines() if each.split(":")[0] != line.split(":")[0]]
    path = tmp_path / "mine.yaml"
    path.write_text("\n".join([*kept, line, ""]))
    with pytest.raises(SpecError, match=rf"did you mean {meant}\?"):
        load_recipe(path)


@pytest.mark.parametrize(
    ("key", "meant"),
    [("modle.width", "model"), ("model.witdh", "width"), ("optimizer.learning_rat", "learning_r")],
)
def test_an_unknown_key_on_the_command_line_is_refused_with_the_nearest_one(key, meant):
    with pytest.raises(SpecError, match=rf"did you mean {meant}"):
        load_recipe("digits", {key: 4})
