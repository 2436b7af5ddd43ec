"""The timing protocol, by a clock that only moves when a call says so."""

from collections.abc import Callable, Iterator

import pytest

from bench.hardware import timing


class Clock:
    """Fake time: calls made with `takes` move it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def takes(self, *values: float) -> Callable[[], None]:
        """A call that takes these seconds one after the other, the last for ever."""

        def durations() -> Iterator[float]:
            yield from values
            while True:
                yield values[-1]

        left = durations()

        def call() -> None:
            self.now += next(left)

        return call


def test_warming_up_ends_when_two_agree() -> None:
    clock = Clock()
    assert timing.warm_up(clock.takes(5, 1, 0.7, 0.69), clock) == pytest.approx([5, 1, 0.7, 0.69])


def test_warming_up_takes_two_calls_at_least_and_is_bounded() -> None:
    clock = Clock()
    assert len(timing.warm_up(clock.takes(1), clock)) == 2
    assert len(timing.warm_up(clock.takes(*[1, 2] * 50), clock)) == timing.WARM_UPS


@pytest.mark.parametrize("step_s", [1e-6, 1e-4, 1e-3, 0.03, 0.5])
@pytest.mark.parametrize("idle_s", [0.0, 0.004, 0.2])
def test_a_sample_is_long_enough_and_not_too_long(step_s: float, idle_s: float) -> None:
    clock = Clock()

    def call(steps: int) -> None:
        clock.now += idle_s + steps * step_s

    steps = timing.steps_per_sample(call, idle_s, clock)
    assert timing.LEAST_S <= steps * step_s + idle_s <= timing.MOST_S
    assert steps in {1, timing.MOST_STEPS} or steps * step_s >= 2 * idle_s


def test_steps_in_one_call_are_bounded() -> None:
    assert timing.steps_per_sample(lambda _: None, 0.0, Clock()) == timing.MOST_STEPS


@pytest.mark.parametrize("idle_s", [0.0, 0.01, 0.5, 1.0, 1.5, 20.0])
def test_the_steps_of_a_sample_are_never_lost_in_the_call_without_steps(idle_s: float) -> None:
    assert timing.wanted_s(idle_s) >= max(idle_s, timing.LEAST_S)


def test_each_cell_gets_ten_samples_and_a_second() -> None:
    clock = Clock()
    cells = {"fast": [clock.takes(0.02)], "slow": [clock.takes(0.5)], "pair": [clock.takes(0.1), clock.takes(0.05)]}
    found = timing.interleaved(cells, seed=0, clock=clock)
    assert len(found["fast"]) == pytest.approx(50, abs=1)  # a second of 0.02
    assert len(found["slow"]) == 10
    assert len(found["pair"]) == pytest.approx(10, abs=1)
    assert found["pair"][0] == pytest.approx((0.1, 0.05))


def order_of(seed: int) -> list[str]:
    clock, order = Clock(), list[str]()

    def call(name: str) -> Callable[[], None]:
        def made() -> None:
            order.append(name)
            clock.now += 0.1

        return made

    timing.interleaved({name: [call(name)] for name in "abcdef"}, seed, clock=clock)
    return order


def test_cells_take_turns_in_an_order_that_the_seed_draws() -> None:
    order = order_of(1)
    rounds = [order[i : i + 6] for i in range(0, len(order), 6)]
    assert all(sorted(one) == list("abcdef") for one in rounds)
    assert len({tuple(one) for one in rounds}) > 5
    assert order_of(1) == order != order_of(2)


@pytest.mark.parametrize(
    ("spread", "samples", "label"),
    [(0.05, 10, "no"), (0.099, 10, "no"), (0.1, 10, "noisy"), (0.249, 10, "noisy"), (0.25, 10, "unstable"),
     (0.05, 9, "few")],
)  # fmt: skip
def test_the_label_of_noise(spread: float, samples: int, label: str) -> None:
    assert timing.noise(1.0, 1.0, 1.0 + spread, samples) == label


def test_steps_that_took_no_time_are_no_measurement() -> None:
    assert timing.noise(0.0, 0.0, 0.0, 10) == timing.noise(0.0, 0.0, 0.1, 10) == "unstable"


def test_a_ledger_adds_up_and_keeps_what_an_error_took() -> None:
    clock = Clock()
    ledger = timing.Ledger(clock)
    for name, value in (("compile", 2.0), ("run", 0.5), ("compile", 1.0)):
        with ledger.under(name):
            clock.now += value
    with pytest.raises(ValueError, match="no"), ledger.under("run"):
        clock.now += 4
        raise ValueError("no")
    assert ledger.spent == {"compile": 3.0, "run": 4.5}
    assert sum(ledger.spent.values()) == clock.now
