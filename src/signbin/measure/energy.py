"""Energy the machine itself reports: RAPL counters through Linux's powercap.

A zone's ``energy_uj`` counts microjoules since some start and wraps to zero after
``max_energy_range_uj``. Reading needs permission (often root), and virtual machines have no
counters: then the answer is unavailable, with the reason, never a zero.

What is measured is the whole package (and DRAM where there is a zone for it), every process
included. Source: Linux kernel, Documentation/power/powercap/powercap.rst.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

__all__ = ["EnergyMeter", "MeasuredEnergy", "UnavailableEnergy", "Zone", "find_zones", "measure"]

_POWERCAP: Final = Path("/sys/class/powercap")
_MICROJOULE: Final = 1e-6


@dataclasses.dataclass(frozen=True)
class Zone:
    """One counter: name (``package-0``, ``dram`` with its package before it), file, range."""

    name: str
    counter: Path
    range_uj: int

    def read_uj(self) -> int:
        """The counter now; OSError where it may not be read, ValueError where it is no number."""
        return int(self.counter.read_text(encoding="ascii"))


@dataclasses.dataclass(frozen=True)
class MeasuredEnergy:
    """Joules per zone between two readings; total over the zones that contain no other.

    packages and DRAM are counted, cores and graphics are parts of their package.
    """

    zones: Mapping[str, float]
    seconds: float

    @property
    def energy_j(self) -> float:
        """Packages plus DRAM."""
        return sum(
            energy
            for name, energy in self.zones.items()
            if name.startswith("package") and ("/" not in name or name.endswith("/dram"))
        )

    @property
    def label(self) -> str:
        """How the figure came about."""
        return f"measured (RAPL through powercap: {', '.join(self.zones)}; every process counted)"

    def to_json(self) -> dict[str, Any]:
        """``label``, ``energy``, ``unit``, ``seconds``, ``zones``."""
        return {
            "label": "measured",
            "source": "RAPL through powercap",
            "energy": self.energy_j,
            "unit": "J",
            "seconds": self.seconds,
            "zones": dict(self.zones),
        }


@dataclasses.dataclass(frozen=True)
class UnavailableEnergy:
    """No figure, and why."""

    reason: str

    @property
    def label(self) -> str:
        """How the figure came about: not at all."""
        return f"unavailable ({self.reason})"

    def to_json(self) -> dict[str, Any]:
        """``label`` and ``reason``; no energy."""
        return {"label": "unavailable", "reason": self.reason}


@dataclasses.dataclass(frozen=True)
class Reading:
    """All counters at one moment."""

    counters_uj: tuple[int, ...]
    time_s: float


class EnergyMeter:
    """Readings of zones, and the energy between two of them."""

    def __init__(self, zones: tuple[Zone, ...]) -> None:
        self._zones = zones

    def read(self) -> Reading:
        """All counters now."""
        return Reading(tuple(zone.read_uj() for zone in self._zones), time.monotonic())

    def between(self, start: Reading, end: Reading) -> MeasuredEnergy:
        """Energy from ``start`` to ``end``; a counter that fell has wrapped once.

        A counter that wraps twice in between cannot be noticed: read at least once per range
        (262,143 J, over twenty minutes at 200 W, on most machines).
        """
        energies = {
            zone.name: _difference(zone, before, after) * _MICROJOULE
            for zone, before, after in zip(
                self._zones, start.counters_uj, end.counters_uj, strict=True
            )
        }
        return MeasuredEnergy(MappingProxyType(energies), end.time_s - start.time_s)


def _difference(zone: Zone, before: int, after: int) -> int:
    return after - before if after >= before else after - before + zone.range_uj + 1


def find_zones(root: Path = _POWERCAP) -> tuple[Zone, ...] | UnavailableEnergy:
    """The RAPL zones under ``root`` that can be read, parents first, or why there are none."""
    folders = sorted(path for path in root.glob("intel-rapl:*") if path.is_dir())
    if not folders:
        return UnavailableEnergy(f"no RAPL zones under {root}")
    zones: list[Zone] = []
    for folder in folders:
        try:
            zone = _zone(root, folder)
            zone.read_uj()
        except PermissionError:
            return UnavailableEnergy(f"{folder.name}/energy_uj may not be read by this user")
        except (OSError, ValueError) as error:
            return UnavailableEnergy(f"{folder.name}: {error}")
        zones.append(zone)
    if not any(zone.name.startswith("package") for zone in zones):
        return UnavailableEnergy(f"no package among the zones {[zone.name for zone in zones]}")
    return tuple(zones)


def _zone(root: Path, folder: Path) -> Zone:
    name = (folder / "name").read_text(encoding="ascii").strip()
    parent, _, _ = folder.name.rpartition(":")
    if parent != "intel-rapl":  # intel-rapl:0:1 is part 1 of intel-rapl:0
        name = f"{(root / parent / 'name').read_text(encoding='ascii').strip()}/{name}"
    largest = int((folder / "max_energy_range_uj").read_text(encoding="ascii"))
    return Zone(name, folder / "energy_uj", largest)


def measure(
    run: Callable[[], object], *, repeats: int = 1, root: Path = _POWERCAP
) -> MeasuredEnergy | UnavailableEnergy:
    """Energy of calling ``run`` ``repeats`` times, or why there is no figure.

    The counters tick about once a millisecond: repeat until the runs take a second or more.
    """
    zones = find_zones(root)
    if isinstance(zones, UnavailableEnergy):
        return zones
    meter = EnergyMeter(zones)
    start = _reading(meter)
    for _ in range(repeats):
        run()
    end = _reading(meter)
    for reading in (start, end):
        if isinstance(reading, UnavailableEnergy):
            return reading
    assert isinstance(start, Reading)
    assert isinstance(end, Reading)
    measured = meter.between(start, end)
    if measured.energy_j == 0:
        return UnavailableEnergy(f"the counters did not move in {measured.seconds:.3g} s")
    return measured


def _reading(meter: EnergyMeter) -> Reading | UnavailableEnergy:
    try:
        return meter.read()
    except (OSError, ValueError) as error:
        return UnavailableEnergy(f"a counter stopped answering: {error}")
