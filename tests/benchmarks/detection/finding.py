"""What finds a span without a network, by the name of its row: moola's rules and boosting."""

from __future__ import annotations

from moola.baselines.scoring import BASELINES

PREFIX = {"rules": "rule: ", "boosting": "boosting, "}
FINDERS = {
    PREFIX[kind] + name: fit for kind, several in BASELINES.items() for name, fit in several.items()
}
RULES = tuple(name for name in FINDERS if name.startswith(PREFIX["rules"]))
