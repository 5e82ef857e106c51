"""Verbs about the label store itself: is it what its log wrote, back it up, bring it back."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from moola.exceptions import StoreError
from moola.store import LabelStore, backup
from moola.workspace import Workspace

SHOWN_DAMAGE = 5


def _add_verify(verb: argparse.ArgumentParser) -> None:
    """Check the log's chain of hashes and that replaying it gives the very rows that are stored."""
    verb.set_defaults(handler=_verify)


def _verify(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    answer = _check(workspace)
    return answer, _report(answer)


def _add_backup(verb: argparse.ArgumentParser) -> None:
    """Write a backup of the label store into the workspace's backups, while others work on."""
    verb.set_defaults(handler=_back_up)


def _back_up(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    path = backup.back_up(make_url(workspace.store_url))
    return {"backup": path, "bytes": path.stat().st_size}, f"wrote {path}"


def _add_restore(verb: argparse.ArgumentParser) -> None:
    """Bring a backup of the label store back; what was there is kept beside the backups."""
    verb.add_argument("backup", type=Path, metavar="BACKUP", help="file, or its name in backups")
    verb.set_defaults(handler=_restore)


def _restore(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    done = backup.restore(make_url(workspace.store_url), args.backup)
    answer = _check(workspace)
    return {"restored": done, **answer}, f"{done}\n{_report(answer)}"


def _check(workspace: Workspace) -> dict[str, Any]:
    """Return the rows of a sound store by table."""
    with closing(LabelStore.open(workspace.store_url)) as store:
        damage, rows = store.find_damage(), store.sizes()
    if damage:
        more = f" and {len(damage) - SHOWN_DAMAGE} more" if len(damage) > SHOWN_DAMAGE else ""
        raise StoreError(
            "The store should be what its log of events wrote. Found: "
            f"{'; '.join(damage[:SHOWN_DAMAGE])}{more}."
        )
    return {"rows": rows}


def _report(answer: dict[str, Any]) -> str:
    rows = dict(answer["rows"])
    n_events = rows.pop("event")
    tables = ", ".join(f"{n:,} {name}" for name, n in rows.items())
    return (
        f"The chain of {n_events:,} events holds, and replaying them gives every stored value: "
        f"{tables}"
    )


VERBS = {"verify-store": _add_verify, "backup": _add_backup, "restore": _add_restore}
