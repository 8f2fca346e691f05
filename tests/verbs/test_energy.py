"""energy: what is asked of meters, and what they say."""

from signbin.verbs.energy import measure_model


def test_counters_that_stand_still_are_no_measurement(model, tmp_path) -> None:
    zone = tmp_path / "intel-rapl:0"
    zone.mkdir()
    for name, text in (("name", "package-0"), ("energy_uj", "7"), ("max_energy_range_uj", "99")):
        (zone / name).write_text(text)
    measured = measure_model(model, root=tmp_path)
    assert measured["label"] == "unavailable"
    assert "did not move" in measured["reason"]
