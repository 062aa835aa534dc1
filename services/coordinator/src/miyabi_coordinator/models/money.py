"""Money: limits, what is spent and reserved, and what a step is expected to cost."""

from __future__ import annotations

from miyabi_coordinator.models.value import Value


class Budget(Value, frozen=True):
    """An amount of model spend, or a limit on it; as a limit, a field that is 0 sets none."""

    usd_micros: int = 0
    tokens: int = 0

    def __add__(self, other: Budget) -> Budget:
        return Budget(self.usd_micros + other.usd_micros, self.tokens + other.tokens)

    def __sub__(self, other: Budget) -> Budget:
        return Budget(self.usd_micros - other.usd_micros, self.tokens - other.tokens)

    @property
    def limits(self) -> bool:
        """Tell whether it limits anything."""
        return bool(self.usd_micros or self.tokens)


#: As a limit: none; as an amount: nothing.
NO_BUDGET = Budget()


class Estimate(Value, frozen=True):
    """What an attempt of a kind of step costs: nearly always at most, and at least where it is to make sense.

    `allowed` is what a lease allows where it can be paid, if that is more than what is expected: an agent sets the most
    that a call could cost aside before it makes it, which is far more than what calls do cost.
    """

    expected: Budget
    least: Budget
    allowed: Budget = NO_BUDGET


class Funds(Value, frozen=True):
    """The batch's money at one moment: its limit, what is spent, what leases and issues in flight have reserved.

    `leased` is how many leases may give some of it back.
    """

    limit: Budget = NO_BUDGET
    spent: Budget = NO_BUDGET
    reserved: Budget = NO_BUDGET
    leased: int = 0


#: A batch without a limit.
NO_FUNDS = Funds()
