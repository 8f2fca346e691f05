"""What should one deploy: the networks, and what the table says of them."""

import pytest

from benchmarks import deploy


def row(name, file_bytes, times, accuracy=70.0):
    return {
        "network": name,
        "accuracy": accuracy,
        "source": "somebody",
        "parameters": 3_000_000,
        "file_bytes": file_bytes,
        "times": {engine: {"min_ms": ms} for engine, ms in times.items()},
        "failures": {},
    }


def test_of_others_the_fastest_engine_in_8_bits_and_in_float_counts_and_of_ours_our_own():
    theirs = {"signbin": 1.0, "a-int8": 4.0, "b-int8": 3.0, "a": 9.0}
    table = deploy.deploy_table(
        {"rows": [row("theirs", None, theirs), row("ours", 2_000_000, {"signbin": 2.0}, None)]}
    )
    _, _, first, second = table.splitlines()
    cells = [cell.strip() for cell in first.split("|")]
    assert cells[1:3] == ["theirs", "70.0 %"]
    assert cells[4:8] == ["3.00 MB", "3.00", "b-int8", "1.00"]
    assert [cell.strip() for cell in second.split("|")][2:8] == [
        *("none", "somebody", "2.00 MB", "2.00", "signbin", ""),
    ]


def test_a_network_that_no_engine_runs_in_8_bits_is_not_measured_there():
    table = deploy.deploy_table({"rows": [row("n", None, {"signbin": 1.0, "a": 2.0})]})
    assert "not measured" in table


@pytest.mark.parametrize("name", deploy.NETWORKS)
def test_what_is_published_has_a_source_and_what_has_none_says_so(name):
    network = deploy.NETWORKS[name]
    assert network.weights or network.kind is not None
    if network.published:
        accuracy, source = network.published
        assert 50 < accuracy < 90
        assert source
