"""Keeps a task's model spend within its budget: set aside before a call, settled after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from miyabi.common.v1.usage_pb2 import Budget, Usage
from miyabi_agents.errors import BudgetError
from miyabi_agents.model import prices

#: Tokens of the shortest answer that is worth asking for: a finding or a small edit fits in.
LEAST_ANSWER = 1024


class BudgetKeeper:
    """Counts what calls used; conversations that run side by side share one.

    Args:
        budget: Most that may be spent; a field that is 0 sets no limit.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._reserved_micros = 0
        self._reserved_tokens = 0
        self._last = Usage()
        self.usage = Usage()

    def longest_answer(self, model: str, *, prompt_characters: int, most: int) -> int:
        """Return how many tokens an answer may have so that what is left pays for it: *most*, or fewer.

        Never fewer than `LEAST_ANSWER`: where that is not paid for, `reserved` refuses the call.
        """
        longest = most
        if limit := self._budget.usd_micros:
            left = limit - self.usage.cost_usd_micros - self._reserved_micros
            longest = min(longest, prices.answer_for(left, model, prompt_characters=prompt_characters))
        if limit := self._budget.tokens:
            left = limit - prices.total_tokens(self.usage) - self._reserved_tokens
            prompt = prices.most_tokens(prompt_characters=prompt_characters, max_tokens=0)
            longest = min(longest, left - prompt)
        return max(LEAST_ANSWER, longest)

    @property
    def share_spent(self) -> float:
        """How much of the budget is spent, of money or tokens whichever is more; 0.0 where neither has a limit."""
        money, tokens = self._budget.usd_micros, self._budget.tokens
        shares = [self.usage.cost_usd_micros / money] if money else []
        shares += [prices.total_tokens(self.usage) / tokens] if tokens else []
        return max(shares, default=0.0)

    def pays_for(self, calls: int) -> bool:
        """Tell whether what is left pays for so many calls like the last one."""
        money, tokens = self._budget.usd_micros, self._budget.tokens
        left_money, left_tokens = money - self.usage.cost_usd_micros, tokens - prices.total_tokens(self.usage)
        return (not money or left_money >= calls * self._last.cost_usd_micros) and (
            not tokens or left_tokens >= calls * prices.total_tokens(self._last)
        )

    def affords(self, model: str, *, prompt_characters: int, max_tokens: int, share: float) -> bool:
        """Tell whether the most that a call can use is at most a share of what is left."""
        micros = prices.most(model, prompt_characters=prompt_characters, max_tokens=max_tokens)
        tokens = prices.most_tokens(prompt_characters=prompt_characters, max_tokens=max_tokens)
        money = self._budget.usd_micros - self.usage.cost_usd_micros - self._reserved_micros
        left = self._budget.tokens - prices.total_tokens(self.usage) - self._reserved_tokens
        return (not self._budget.usd_micros or micros <= share * money) and (
            not self._budget.tokens or tokens <= share * left
        )

    @contextmanager
    def reserved(self, model: str, *, prompt_characters: int, max_tokens: int) -> Iterator[None]:
        """Set the most that a call can use aside for the length of the block.

        Raises:
            BudgetError: what is left does not pay for it.
        """
        micros = prices.most(model, prompt_characters=prompt_characters, max_tokens=max_tokens)
        tokens = prices.most_tokens(prompt_characters=prompt_characters, max_tokens=max_tokens)
        self._check(micros, tokens)
        self._reserved_micros += micros
        self._reserved_tokens += tokens
        try:
            yield
        finally:
            self._reserved_micros -= micros
            self._reserved_tokens -= tokens

    def _check(self, micros: int, tokens: int) -> None:
        """Refuse a call that could go beyond the budget."""
        limit, spent = self._budget.usd_micros, self.usage.cost_usd_micros + self._reserved_micros
        if limit and spent + micros > limit:
            left = max(0, limit - spent) / 1e6
            raise BudgetError(f"the next call may cost ${micros / 1e6:.4f} and ${left:.4f} is left")
        limit, spent = self._budget.tokens, prices.total_tokens(self.usage) + self._reserved_tokens
        if limit and spent + tokens > limit:
            raise BudgetError(f"the next call may use {tokens} tokens and {max(0, limit - spent)} are left")

    def count(self, used: Usage) -> None:
        """Add what a call used."""
        total, self._last = self.usage, used
        self.usage = Usage(
            input_tokens=total.input_tokens + used.input_tokens,
            output_tokens=total.output_tokens + used.output_tokens,
            cache_write_tokens=total.cache_write_tokens + used.cache_write_tokens,
            cache_read_tokens=total.cache_read_tokens + used.cache_read_tokens,
            cost_usd_micros=total.cost_usd_micros + used.cost_usd_micros,
            calls=total.calls + used.calls,
        )
