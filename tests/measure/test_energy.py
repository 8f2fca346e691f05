from pathlib import Path

import pytest

from signbin.measure.energy import (
    EnergyMeter,
    MeasuredEnergy,
    UnavailableEnergy,
    find_zones,
    measure,
)

RANGE = 262_143_328_850  # as a two-socket machine reports it


@pytest.fixture
def powercap(tmp_path: Path) -> Path:
    """A recorded tree: two packages, the first with core and DRAM zones."""
    for folder, name, energy in (
        ("intel-rapl:0", "package-0", 1_000_000),
        ("intel-rapl:0:0", "core", 400_000),
        ("intel-rapl:0:1", "dram", 50_000),
        ("intel-rapl:1", "package-1", RANGE - 999_999),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "name").write_text(f"{name}\n")
        (tmp_path / folder / "energy_uj").write_text(f"{energy}\n")
        (tmp_path / folder / "max_energy_range_uj").write_text(f"{RANGE}\n")
    return tmp_path


def advance(powercap: Path, folder: str, microjoules: int) -> None:
    counter = powercap / folder / "energy_uj"
    counter.write_text(f"{(int(counter.read_text()) + microjoules) % (RANGE + 1)}\n")


def test_zones_carry_their_package_in_the_name(powercap):
    zones = find_zones(powercap)
    assert not isinstance(zones, UnavailableEnergy)
    names = [zone.name for zone in zones]
    assert names == ["package-0", "package-0/core", "package-0/dram", "package-1"]


def test_energy_is_the_difference_of_two_readings(powercap):
    def run():
        advance(powercap, "intel-rapl:0", 3_000_000)
        advance(powercap, "intel-rapl:0:0", 2_000_000)
        advance(powercap, "intel-rapl:0:1", 500_000)

    result = measure(run, root=powercap)
    assert isinstance(result, MeasuredEnergy)
    assert dict(result.zones) == pytest.approx(
        {"package-0": 3.0, "package-0/core": 2.0, "package-0/dram": 0.5, "package-1": 0.0}
    )
    assert result.energy_j == pytest.approx(3.5)  # the cores are part of the package
    assert result.label.startswith("measured (RAPL")
    assert result.to_json()["unit"] == "J"


def test_a_counter_that_wraps_is_followed(powercap):
    result = measure(lambda: advance(powercap, "intel-rapl:1", 5_000_000), root=powercap)
    assert isinstance(result, MeasuredEnergy)
    assert int((powercap / "intel-rapl:1" / "energy_uj").read_text()) < 5_000_000
    assert result.zones["package-1"] == pytest.approx(5.0)


def test_repeats_are_measured_together(powercap):
    result = measure(lambda: advance(powercap, "intel-rapl:0", 10), repeats=100, root=powercap)
    assert isinstance(result, MeasuredEnergy)
    assert result.zones["package-0"] == pytest.approx(1e-3)


def test_two_readings_keep_their_time_apart(powercap):
    zones = find_zones(powercap)
    assert not isinstance(zones, UnavailableEnergy)
    meter = EnergyMeter(zones)
    start = meter.read()
    assert meter.between(start, meter.read()).seconds >= 0.0


def test_a_machine_without_counters_has_no_figure_and_says_why(tmp_path):
    result = measure(lambda: None, root=tmp_path)
    assert isinstance(result, UnavailableEnergy)
    assert "no RAPL zones" in result.label
    assert "energy" not in result.to_json()


def test_counters_that_may_not_be_read_give_a_reason(powercap, monkeypatch):
    real = Path.read_text

    def refuse(self, *args, **kwargs):
        if self.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(self))
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", refuse)
    result = find_zones(powercap)
    assert isinstance(result, UnavailableEnergy)
    assert "may not be read" in result.reason


@pytest.mark.parametrize("text", ["", "many", "-"])
def test_a_counter_that_is_no_number_gives_a_reason(powercap, text):
    (powercap / "intel-rapl:0" / "energy_uj").write_text(text)
    result = find_zones(powercap)
    assert isinstance(result, UnavailableEnergy)
    assert "intel-rapl:0" in result.reason


def test_zones_without_a_package_are_no_zero(tmp_path):
    folder = tmp_path / "intel-rapl:0"
    folder.mkdir()
    for name, text in (("name", "psys"), ("energy_uj", "1"), ("max_energy_range_uj", "9")):
        (folder / name).write_text(text)
    result = find_zones(tmp_path)
    assert isinstance(result, UnavailableEnergy)
    assert "no package" in result.reason
