"""What the guide says of predicted times holds of what was measured."""

import pytest

from benchmarks.latency import HELD, SECTION, _works, latency_table, predicted, rates_from
from benchmarks.results import RESULTS, newest
from signbin.analysis.latency import predict
from signbin.verbs.check import rates_of
from signbin.verbs.check.schemes import SCHEMES


def test_left_out_networks_are_predicted_as_well_as_the_guide_says():
    for section in newest(SECTION, RESULTS):
        errors: dict[str, list[float]] = {}
        for row, ms, _ in predicted(section):
            errors.setdefault(row["network"], []).append(ms / row["ms"] - 1)
        assert max(map(abs, errors["resnet18"] + errors["resnet50"])) < 0.2
        # Whether another network has large linear layers as VGG's decides about it.
        assert min(errors["vgg11"]) > -0.6


def test_the_table_counts_what_is_near_and_names_the_worst():
    section = next(iter(newest(SECTION, RESULTS)))
    lines = latency_table(section).splitlines()[2:]
    assert [line.split("|")[1].strip() for line in lines] == list(
        dict.fromkeys(row["network"] for row in section["rows"])
    )
    for line in lines:
        _, _, schemes, near, _, worst, *_, of_all, _ = (cell.strip() for cell in line.split("|"))
        assert int(near) - 1 <= int(of_all) <= int(schemes)
        assert (schemes == near) == (abs(int(worst.split()[0])) <= 25)


def test_what_check_says_is_near_for_every_network_on_the_newest_kernels():
    """Rates of the package, fitted to all: the claim of the verb."""
    for section in (*newest(SECTION, RESULTS), *newest(HELD, RESULTS)):
        if not any(row["network"] == "alexnet" for row in section["rows"]):
            continue  # older than the term for centring
        rates = rates_of(section["cpu"], section["isa"], section.get("widest", section["isa"]))
        fitted = rates_from(section["rows"], "", section)
        assert rates is not None
        for kind, expected in fitted.kinds.items():
            assert rates.kinds[kind] == pytest.approx(expected, rel=1e-3, abs=1e-12)
        for name in ("resnet18", "resnet50", "mobilenet-v2", "vgg11"):
            near = [
                abs(sum(predict(_works(row), rates).values()) / row["ms"] - 1) <= 0.25
                for row in section["rows"]
                if row["network"] == name
            ]
            assert len(near) == len(SCHEMES)
            assert all(near), (section["isa"], name)


def test_a_cpu_that_is_held_to_an_instruction_set_has_rates_of_its_own():
    for section in newest(HELD, RESULTS):
        cpu, isa, widest = section["cpu"], section["isa"], section["widest"]
        held = rates_of(cpu, isa, widest)
        assert held is not None
        assert held.widest == widest
        own = rates_of(cpu, isa, isa)
        assert own is None or own.widest == ""
        assert rates_of(cpu, isa, "another") is not None


def test_no_file_of_results_is_too_large_to_look_at():
    sizes = {path.name: path.stat().st_size for path in RESULTS.rglob("*.json*")}
    assert {name: size for name, size in sizes.items() if size > 500_000} == {}
