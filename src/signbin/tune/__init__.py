"""Plans that were measured: the best predicted ways to run each layer, timed on this machine."""

from signbin.tune.cache import DEFAULT_CACHE, TimesCache
from signbin.tune.layer_times import TimeLayers, counted_costs, measured_costs
from signbin.tune.tune import Autotune, autotune

__all__ = [
    "DEFAULT_CACHE",
    "Autotune",
    "TimeLayers",
    "TimesCache",
    "autotune",
    "counted_costs",
    "measured_costs",
]
