import dataclasses
import math
import subprocess
import sys

import pytest

from signbin.errors import PlanError
from signbin.plan import Strategy, Target, make_plan
from signbin.plan.strategies import STRATEGIES

PORTABLE = Target.portable()


def one(graph, kernels, target=PORTABLE, force=None, **options):
    return make_plan(graph, kernels, target, force, **options).layers[0]


@pytest.mark.parametrize("kind", ["signed_binary", "binary", "ternary"])
def test_a_low_bit_convolution_of_ordinary_size_takes_the_bucket_walk(
    kernels, make_graph, make_weight, kind
):
    layer = one(make_graph(make_weight(kind, (64, 64, 3, 3))), kernels)
    assert layer.strategy is Strategy.BUCKET
    assert layer.value_set == kind
    assert set(layer.parameters) == {"filters", "vectors", "chunk"}


def test_a_float_layer_is_never_bucket_and_says_why(kernels, make_graph, make_weight):
    layer = one(make_graph(make_weight("float", (64, 64, 3, 3))), kernels)
    assert layer.strategy is Strategy.DENSE
    assert "the weights are float" in layer.why
    refused = [entry for entry in layer.candidates if entry.strategy is Strategy.BUCKET]
    assert [entry.cost for entry in refused] == [math.inf]
    assert refused[0].why.startswith("rejected: ")


def test_the_explanation_states_the_numbers_that_decided(kernels, make_graph, make_weight):
    weight = make_weight("signed_binary", (64, 64, 3, 3))
    layer = one(make_graph(weight), kernels)
    filters = layer.parameters["filters"]
    assert layer.why.startswith(f"bucket F={filters}: ")
    assert "adds against 36,864 multiply-adds per output vector" in layer.why
    assert f"(density {weight.density:.2f}, p0 0." in layer.why
    assert layer.macs == 36_864 * 16 * 16


def test_every_candidate_is_kept_and_the_choice_is_the_cheapest(kernels, make_graph, make_weight):
    layer = one(make_graph(make_weight("signed_binary", (64, 64, 3, 3))), kernels)
    chosen = [entry for entry in layer.candidates if entry.why.startswith("chosen: ")]
    assert [(entry.strategy, entry.parameters) for entry in chosen] == [
        (layer.strategy, layer.parameters)
    ]
    assert chosen[0].cost == min(entry.cost for entry in layer.candidates)
    walked = [entry for entry in layer.candidates if entry.strategy is Strategy.BUCKET]
    assert sorted(entry.parameters["filters"] for entry in walked) == list(range(1, 9))
    assert all(entry.why.startswith(("chosen: ", "rejected: ")) for entry in layer.candidates)


def test_the_choice_flips_to_dense_where_multiply_adds_become_cheap(
    kernels, make_graph, make_weight
):
    graph = make_graph(make_weight("signed_binary", (64, 64, 3, 3)))
    matrix_unit = dataclasses.replace(PORTABLE, fma_per_cycle=16.0)
    assert one(graph, kernels).strategy is Strategy.BUCKET
    assert one(graph, kernels, matrix_unit).strategy is Strategy.DENSE


def test_wide_filters_repay_larger_groups(kernels, make_graph, make_weight):
    narrow = one(make_graph(make_weight("signed_binary", (64, 8, 3, 3))), kernels)
    wide = one(make_graph(make_weight("signed_binary", (64, 512, 3, 3))), kernels)
    assert narrow.parameters["filters"] < wide.parameters["filters"]


def test_ternary_walks_at_most_five_filters_and_none_walks_more_than_it_has(
    kernels, make_graph, make_weight
):
    ternary = one(make_graph(make_weight("ternary", (64, 512, 3, 3))), kernels)
    assert ternary.parameters["filters"] <= 5
    narrow = one(make_graph(make_weight("binary", (2, 512, 3, 3))), kernels, force=Strategy.BUCKET)
    assert narrow.parameters["filters"] <= 2


def test_groups_never_span_convolution_groups(kernels, make_graph, make_weight):
    graph = make_graph(make_weight("signed_binary", (8, 2, 3, 3)), groups=4)
    layer = one(graph, kernels, force=Strategy.BUCKET)
    assert layer.parameters["filters"] <= 2


def test_one_image_leaves_a_linear_layer_dense_and_many_fill_its_lanes(
    kernels, make_graph, make_weight
):
    graph = make_graph(make_weight("signed_binary", (64, 512)))
    assert one(graph, kernels).strategy is Strategy.DENSE
    assert one(graph, kernels, images=64).strategy is Strategy.BUCKET


def test_forcing_a_strategy_keeps_the_layers_it_cannot_serve_dense_with_the_reason(
    kernels, make_graph, make_weight
):
    weights = [make_weight("float", (8, 4, 3, 3)), make_weight("ternary", (8, 8, 3, 3))]
    plan = make_plan(make_graph(*weights), kernels, PORTABLE, Strategy.BUCKET)
    assert [layer.strategy for layer in plan.layers] == [Strategy.DENSE, Strategy.BUCKET]
    assert "not bucket: the weights are float" in plan.layers[0].why
    assert "forced" in plan.layers[1].why
    dense = make_plan(make_graph(*weights), kernels, PORTABLE, Strategy.DENSE)
    assert {layer.strategy for layer in dense.layers} == {Strategy.DENSE}


def test_forcing_a_strategy_that_serves_no_layer_is_an_error(kernels, make_graph, make_weight):
    graph = make_graph(make_weight("float", (8, 4, 3, 3)))
    with pytest.raises(PlanError, match="layer0: the weights are float"):
        make_plan(graph, kernels, PORTABLE, Strategy.BUCKET)


def test_a_target_forced_to_scalar_uses_scalar_kernels_only(kernels, make_graph, make_weight):
    graph = make_graph(make_weight("signed_binary", (64, 64, 3, 3)))
    portable_only = [kernel for kernel in kernels if kernel.isa == "portable"]
    assert one(graph, kernels, Target.for_isa("scalar")).parameters.get("vectors", 1) == 1
    with pytest.raises(PlanError, match="no dense kernel for conv2d"):
        one(graph, portable_only, Target.for_isa("scalar"))


def test_kernels_the_cpu_cannot_run_are_not_chosen(kernels, make_graph, make_weight):
    graph = make_graph(make_weight("signed_binary", (64, 64, 3, 3)))
    crippled = [
        dataclasses.replace(kernel, usable=kernel.strategy != "bucket") for kernel in kernels
    ]
    layer = one(graph, crippled)
    assert layer.strategy is Strategy.DENSE
    assert "no bucket kernel" in layer.why


def test_another_machine_is_planned_for_with_kernels_this_cpu_cannot_run(
    make_kernel, make_graph, make_weight
):
    foreign = [
        make_kernel("dense", "conv2d", "neon", 4, 1, usable=False),
        make_kernel("bucket", "conv2d", "neon", 8, 2, usable=False),
    ]
    graph = make_graph(make_weight("signed_binary", (64, 64, 3, 3)))
    target = Target.for_isa("neon", host=False)
    plan = make_plan(graph, foreign, target)
    assert plan.layers[0].strategy is Strategy.BUCKET
    assert plan.target == str(target)


def test_a_slower_fallback_kernel_is_charged_at_its_own_width(
    kernels, make_kernel, make_graph, make_weight
):
    graph = make_graph(make_weight("float", (64, 64, 3, 3)))
    target = Target.for_isa("avx2")
    fallback = one(graph, kernels, target).candidates[0].cost
    native = one(graph, [*kernels, make_kernel("dense", "conv2d", "avx2", 4, 1)], target)
    own = target.add_per_cycle / target.fma_per_cycle * 36_864
    assert native.candidates[0].cost == pytest.approx(own, rel=0.05)  # and sums on their way out
    slower = Target.for_isa("portable")
    width = target.lanes / slower.lanes
    rate = target.fma_per_cycle / slower.fma_per_cycle
    assert fallback == pytest.approx(width * rate * own, rel=0.05)
    assert fallback > native.candidates[0].cost


def test_planning_imports_neither_torch_nor_the_native_library():
    code = (
        "import sys; import signbin.plan; "
        "sys.exit(any(name == 'torch' or 'signbin.native' in name for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_kernel_at_all_is_an_error_that_names_layer_and_target(make_graph, make_weight):
    with pytest.raises(PlanError, match=r"conv2d layer0: got 'portable'"):
        one(make_graph(make_weight("float", (4, 4, 3, 3))), [])


def test_each_strategy_is_listed_once():
    assert sorted(rule.strategy.value for rule in STRATEGIES) == sorted(
        strategy.value for strategy in Strategy
    )


@pytest.mark.parametrize("images", [0, -1, True, 1.5])
def test_images_per_call_are_a_positive_whole_number(kernels, make_graph, make_weight, images):
    with pytest.raises(PlanError, match="images per call"):
        one(make_graph(make_weight("float", (4, 4, 3, 3))), kernels, images=images)


@pytest.mark.parametrize("force", ["dense", 3, True])
def test_a_forced_strategy_is_a_strategy(kernels, make_graph, make_weight, force):
    with pytest.raises(PlanError, match=r"forced strategy.*Strategy\.DENSE, Strategy\.BUCKET"):
        make_plan(make_graph(make_weight("float", (4, 4, 3, 3))), kernels, Target.portable(), force)
