"""A packed network is the trained one, in about one bit per weight, and a bad file is refused."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from signbin.errors import FormatError, SpecError
from signbin.quant import quantized_layers
from signbin.train import load_packed, load_run, pack_run, train

KINDS = {
    "signed_binary": {"quantizers__signed_binary__weight__offset": "none"},
    "centred": {},
    "regions": {"quantizers__signed_binary__weight__region_channels": 2},
    "learned": {"quantizers__signed_binary__weight__scale": "learned"},
    "binary": {"weights": "binary"},
    "ternary": {"weights": "ternary"},
    "float": {"weights": "float"},
}


@pytest.fixture(scope="module")
def packed_runs(tmp_path_factory, tiny):
    """Per kind, a run after one epoch and its packed file."""
    found = {}
    for kind, changes in KINDS.items():
        folder = tmp_path_factory.mktemp(kind)
        train(tiny(epochs=1, **changes), folder / "run", progress=False)
        run = load_run(folder / "run")
        (folder / "net.safetensors").write_bytes(pack_run(run))
        found[kind] = (run, folder / "net.safetensors")
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_packed_network_answers_as_the_trained_one_does(packed_runs, kind):
    run, path = packed_runs[kind]
    packed = load_packed(path)
    images = torch.from_numpy(run.test_images[:32].copy())
    with torch.no_grad():
        assert torch.equal(packed.model(images), run.model(images))
    assert packed.preprocessing == run.preprocessing
    assert packed.class_names == run.class_names
    assert packed.provenance == run.provenance
    assert packed.example.shape == (2, *run.dataset.shape)
    assert not packed.model.training


@pytest.mark.parametrize(("kind", "bits"), [("signed_binary", 1), ("binary", 1), ("ternary", 2)])
def test_a_weight_takes_its_bits_and_a_filter_its_scale(packed_runs, kind, bits):
    run, path = packed_runs[kind]
    stored = load(path.read_bytes())
    for name, layer in quantized_layers(run.model).items():
        parts = {key: t for key, t in stored.items() if key.startswith(f"{name}.weight")}
        count, filters = layer.weight.numel(), layer.weight.shape[0]
        signs = -(-filters // 8) if kind == "signed_binary" else 0
        size = sum(tensor.numel() * tensor.element_size() for tensor in parts.values())
        assert size == bits * count // 8 + signs + 4 * filters


def test_equal_networks_are_equal_files(packed_runs):
    run, path = packed_runs["signed_binary"]
    assert pack_run(run) == path.read_bytes()


def test_what_float_layers_cannot_hold_is_refused(tmp_path, tiny):
    changes = {"weights": "multi_bit", "quantizers__multi_bit__weight__kind": "lq_nets"}
    train(tiny(epochs=1, **changes), tmp_path / "bits", progress=False)
    with pytest.raises(SpecError, match="several terms"):
        pack_run(load_run(tmp_path / "bits"))
    changes = {"quantizers__signed_binary__activation": {"kind": "int8"}}
    train(tiny(epochs=1, **changes), tmp_path / "codes", progress=False)
    with pytest.raises(SpecError, match="quantised input"):
        pack_run(load_run(tmp_path / "codes"))


def rewritten(path, change_document=None, change_tensors=None) -> bytes:
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    document, tensors = json.loads(header["__metadata__"]["signbin"]), load(content)
    if change_document is not None:
        change_document(document)
    if change_tensors is not None:
        change_tensors(tensors)
    return save(tensors, metadata={"signbin": json.dumps(document)})


LAYER = "stages.0.0.conv1.weight"


def first_layer(document):
    return document["layers"][LAYER]


DAMAGES = {
    "version": lambda d: d.update(version=2),
    "format": lambda d: d.update(format="other"),
    "unknown key": lambda d: d.update(colour="red"),
    "no layers": lambda d: d.pop("layers"),
    "layers as a list": lambda d: d.update(layers=[]),
    "huge weight": lambda d: first_layer(d).update(shape=[4, 4, 2**40, 2**40]),
    "negative weight": lambda d: first_layer(d).update(shape=[4, -4, 3, -3]),
    "flat weight": lambda d: first_layer(d).update(shape=[144]),
    "float weight": lambda d: first_layer(d).update(value_set="float"),
    "wrong value set": lambda d: first_layer(d).update(value_set="ternary"),
    "another layer": lambda d: d["layers"].update(other=first_layer(d)),
    "a layer less": lambda d: d["layers"].pop(LAYER),
    "wide network": lambda d: d["model"].update(width=2**50),
    "deep network": lambda d: d["model"].update(blocks=10**9),
    "other network": lambda d: d["model"].update(name="resnet20"),
    "unknown network": lambda d: d["model"].update(name="resnet21"),
    "classes": lambda d: d["task"].update(classes=3),
    "names": lambda d: d.update(class_names=["a"]),
    "size": lambda d: d["task"].update(height=9),
    "preprocessing": lambda d: d.update(preprocessing=[1]),
    "no preprocessing": lambda d: d.pop("preprocessing"),
    "provenance": lambda d: d.update(provenance={"seed": 1}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_description_is_refused(packed_runs, tmp_path, damage):
    _, path = packed_runs["signed_binary"]
    (tmp_path / "bad.safetensors").write_bytes(rewritten(path, DAMAGES[damage]))
    with pytest.raises(FormatError, match=r"not a packed network.*bad\.safetensors"):
        load_packed(tmp_path / "bad.safetensors")


TENSOR_DAMAGES = {
    "scale missing": lambda t: t.pop(f"{LAYER}.scale"),
    "scale not finite": lambda t: t[f"{LAYER}.scale"].fill_(float("nan")),
    "scale of another type": lambda t: t.update({f"{LAYER}.scale": t[f"{LAYER}.scale"].double()}),
    "a bit too few": lambda t: t.update({f"{LAYER}.nonzero": t[f"{LAYER}.nonzero"][1:].clone()}),
    "signs missing": lambda t: t.pop(f"{LAYER}.negative"),
    "the weight itself": lambda t: t.update({LAYER: torch.zeros(4, 4, 3, 3)}),
    "a stranger": lambda t: t.update(stranger=torch.zeros(3)),
    "another shape": lambda t: t.update({"classifier.bias": torch.zeros(3)}),
    "another type": lambda t: t.update({"classifier.bias": t["classifier.bias"].double()}),
}


@pytest.mark.parametrize("damage", TENSOR_DAMAGES)
def test_damaged_tensors_are_refused(packed_runs, tmp_path, damage):
    _, path = packed_runs["signed_binary"]
    (tmp_path / "bad.safetensors").write_bytes(
        rewritten(path, change_tensors=TENSOR_DAMAGES[damage])
    )
    with pytest.raises(FormatError, match="not a packed network"):
        load_packed(tmp_path / "bad.safetensors")


def test_no_cut_and_no_other_file_is_taken_for_a_network(packed_runs, tmp_path):
    _, path = packed_runs["signed_binary"]
    content = path.read_bytes()
    random = np.random.default_rng(0)
    cuts = random.integers(0, len(content), 40).tolist()
    files = [content[:cut] for cut in cuts] + [b"", b"{}", save({"a": torch.zeros(1)})]
    for number, damaged in enumerate(files):
        bad = tmp_path / f"{number}.safetensors"
        bad.write_bytes(damaged)
        with pytest.raises(FormatError):
            load_packed(bad)
    with pytest.raises(FormatError):
        load_packed(tmp_path / "missing.safetensors")
