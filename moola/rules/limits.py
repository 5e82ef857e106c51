"""A rule's words, and the limits that spans are held against."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

import numpy as np

from moola.exceptions import ConfigError
from moola.schema import SPAN_TYPES, WINDOW_LENGTH


def _limit(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the checker holds a span against; None leaves that check out."""

    atr_bars: int = _limit(20, "bars that the average true range looks back")
    move_atr_min: float | None = _limit(
        None, "least net move in ATR, from the extreme of the first bar to the last close"
    )
    body_share_min: float | None = _limit(
        None, "least share of the span's height (high to low) between first open and last close"
    )
    same_direction: bool = _limit(
        True, "whether the direction must be that of first open to last close"
    )
    bars_min: int | None = _limit(2, "fewest bars of a span, both ends counted")
    bars_max: int | None = _limit(30, "most bars of a span, both ends counted")
    start_late_bars: int | None = _limit(
        None, "bars that the extreme the move leaves from may lie after the first bar"
    )
    end_late_bars: int | None = _limit(
        None, "bars that may follow the furthest close before the span ends"
    )
    types: tuple[str, ...] | None = _limit(None, "the types that this rule knows")

    def __post_init__(self) -> None:
        for name, value in self.given().items():
            if name == "types":
                _check_types(value)
            elif name == "same_direction":
                if not isinstance(value, bool):
                    raise ConfigError(f"{name} should be true or false. Found {value!r}.")
            else:
                _check_number(name, value)
        if (self.bars_min or 1) > (self.bars_max or WINDOW_LENGTH):
            raise ConfigError(
                "bars_min should not be greater than bars_max. "
                f"Found {self.bars_min} and {self.bars_max}."
            )

    def given(self) -> dict[str, Any]:
        """Return the limits that are set, as they are written to JSON."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> Self:
        """Return the limits of a stored rule: one that is not named is not checked.

        Raises
        ------
        ConfigError
            If a name or a value makes no sense.
        """
        known = [item.name for item in fields(cls)]
        if unknown := [name for name in params if name not in known]:
            raise ConfigError(
                f"A limit of the rule should be one of {', '.join(known)}. "
                f"Found {', '.join(unknown)}."
            )
        off: dict[str, Any] = dict.fromkeys(known) | {
            "atr_bars": cls.atr_bars,
            "same_direction": False,
        }
        values = off | {name: value for name, value in params.items() if value is not None}
        if isinstance(values["types"], list):
            values["types"] = tuple(values["types"])
        return cls(**values)


def _check_types(value: Any) -> None:
    if not isinstance(value, tuple) or not value or any(name not in SPAN_TYPES for name in value):
        raise ConfigError(
            f"types should be a list of some of {', '.join(SPAN_TYPES)}. Found {value!r}."
        )


def _check_number(name: str, value: Any) -> None:
    """Raise `ConfigError` unless the limit `name` is a number that a span can meet."""
    in_bars = name.startswith("bars_") or name.endswith("_bars")
    is_number = isinstance(value, int if in_bars else (int, float)) and not isinstance(value, bool)
    if not is_number or not np.isfinite(value):
        kind = "a whole number" if in_bars else "a number"
        raise ConfigError(f"{name} should be {kind}. Found {value!r}.")
    least = 0 if name.endswith("late_bars") or not in_bars else 1
    most = {"body_share_min": 1, "move_atr_min": np.inf, "atr_bars": 1000}.get(name, WINDOW_LENGTH)
    if not least <= value <= most:
        upper = f" and at most {most}" if np.isfinite(most) else ""
        raise ConfigError(f"{name} should be at least {least}{upper}. Found {value}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One version of the written rule; `params` are its `Limits` as JSON holds them."""

    rule_version: str
    text_md: str
    params: dict[str, Any]

    @property
    def limits(self) -> Limits:
        """The limits that labels of this version are held against."""
        return Limits.from_params(self.params)


DEFAULT_TEXT = """\
**Expansion**: a surge of price one way, out of a state that had come to rest.

- **First bar**: the last bar of what came before it. The two share that bar, which holds the
  extreme the move leaves from.
- **Last bar**: the last bar of the surge, *inclusive*. 50 to 65 is 16 bars.
- **Length**: mostly 5 to 23 bars. Fewer than 2 or more than 30 deserve a second look.
- **Type**: the state *before* it, not its direction. *Consolidation*: sideways in a narrow range.
  *Retracement*: a counter-move inside a larger move, which the expansion takes up again.
  *Reversal*: a move the other way, which the expansion ends.
- **Direction**: up or down, as the net move from first to last bar.
- **Grade**: A, B or C, by how clearly it stands out. Less than C is no label: reject the window.
- **Several** in one window are marked one by one and share no bar. A window without one is
  rejected with its reason; one you cannot decide is flagged, not guessed.
"""

DEFAULT_RULE = Rule(rule_version="r1", text_md=DEFAULT_TEXT, params=Limits().given())
"""The rule of a store in which nobody has written another."""
