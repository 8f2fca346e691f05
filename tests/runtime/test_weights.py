"""Every strategy's weights have a way into the native library, and no other way is left."""

from signbin import native
from signbin.plan import STRATEGIES, Strategy, family_of
from signbin.runtime import weights


def test_every_family_that_a_strategy_runs_on_takes_weights():
    families = {family_of(strategy) for strategy in Strategy}
    assert set(weights._FAMILIES) <= families  # the others take codes and no more
    assert families == {rule.family for rule in STRATEGIES}
    assert families <= {kernel.strategy for kernel in native.kernels()}
