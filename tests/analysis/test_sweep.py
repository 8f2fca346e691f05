import pytest

from signbin.analysis import Axes, EnergyRequest, parse_axes, subject_from_gemm, sweep
from signbin.analysis.sweep import Point
from signbin.errors import SpecError

REQUEST = EnergyRequest(subject_from_gemm("12x9x80", 0.4, pattern="independent"))


def names(points: tuple[Point, ...]) -> list[str]:
    return list(dict.fromkeys(point.estimate.array.configuration.name for point in points))


def test_a_sweep_visits_every_kind_density_and_size_and_reports_progress():
    seen = []
    axes = parse_axes(["density=0.3,0.6 multipliers=32,64", "bandwidth=16,32,64"])
    points = sweep(REQUEST, axes, lambda done, of: seen.append((done, of)))
    assert len(points) == len(seen) == 5 * (1 + 2 * 2)
    assert seen[-1] == (25, 25)
    assert names(points) == [
        *("sigma-32-16", "sigma-32-32", "sigma-64-16", "sigma-64-32", "sigma-64-64")
    ]
    kinds = [(point.kind, point.density) for point in points[:5]]
    assert kinds == [
        *(("binary", 1.0), ("ternary", 0.3), ("signed_binary", 0.3)),
        *(("ternary", 0.6), ("signed_binary", 0.6)),
    ]


def test_a_sweep_point_is_the_estimate_of_the_same_question():
    (_, _, point) = sweep(REQUEST, Axes((0.36,)))
    from signbin.analysis import answer

    alone = answer(EnergyRequest(subject_from_gemm("12x9x80", 0.36, pattern="independent")))
    assert point.estimate.energy == alone.estimate.energy
    assert point.estimate.cycles == alone.estimate.cycles


def test_arrays_of_several_accelerators_share_one_table():
    request = EnergyRequest(REQUEST.subject, table="horowitz-45nm")
    axes = parse_axes(["array=sigma-64-32,row-stationary-12-14-gated,cpu-8"])
    points = sweep(request, axes)
    assert names(points) == ["sigma-64-32", "row-stationary-12-14-gated", "cpu-8"]
    assert {point.estimate.table.name for point in points} == {"horowitz-45nm"}


def test_less_density_is_less_energy_where_zeros_are_skipped():
    points = sweep(REQUEST, parse_axes(["density=0.2,0.5,0.8"]))
    energies = [point.estimate.energy for point in points if point.kind == "signed_binary"]
    assert energies == sorted(energies)


def test_a_point_carries_its_label_and_both_densities():
    document = sweep(REQUEST, Axes())[-1].to_json()
    assert document["label"].startswith("estimated (model sigma, table stonne")
    assert document["density"] == 0.4
    assert document["drawn_density"] == pytest.approx(0.4, abs=0.05)


def test_sizes_keep_the_other_fields_of_the_configuration(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("multipliers = 64\nbandwidth = 64\nbuffer_bytes = 5000\n")
    request = EnergyRequest(REQUEST.subject, configuration=path)
    points = sweep(request, parse_axes(["bandwidth=16"]))
    configuration = points[0].estimate.array.configuration
    assert (configuration.buffer_bytes, configuration.collection_bandwidth) == (5000, 16)


@pytest.mark.parametrize(
    ("texts", "word"),
    [
        (["density"], "AXIS=VALUE"),
        (["density="], "AXIS=VALUE"),
        (["density=0.2,,0.3"], "AXIS=VALUE"),
        (["density=0.2", "density=0.3"], "each axis once"),
        (["density=much"], "much"),
        (["multipliers=6.5"], r"6\.5"),
        (["density=0"], "density of"),
        (["rows=4"], "density, array, multipliers, bandwidth"),
        (["bandwidth=0"], "bandwidth: got 0"),
        (["multipliers=64 bandwidth=128"], "bandwidth <= multipliers"),
        (["array=npu-4"], "npu-4"),
        (["array=sigma-64-32 multipliers=4"], "one or the other"),
        (["array=sigma-64-32,cpu-8"], "one for all arrays"),
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused_by_name(texts, word):
    with pytest.raises(SpecError, match=word):
        sweep(REQUEST, parse_axes(texts))
