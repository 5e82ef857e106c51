"""Verbs that make releases of the labels and move windows to the feed that holds their bars."""

from __future__ import annotations

import argparse
import json
import uuid
from typing import Any

from moola import exports, releases
from moola.bars import BarStore
from moola.cli import options
from moola.exceptions import ConfigError
from moola.homes import find_homes, move_home
from moola.store import LabelStore, Release
from moola.workspace import Workspace


def _add_release(verb: argparse.ArgumentParser) -> None:
    """Make a named dataset that never changes, or list, show and verify those there are."""
    verb.add_argument("words", nargs="+", metavar="NAME", help="name of a new release; or list, "
                      "show NAME, verify NAME")  # fmt: skip
    verb.add_argument("--layer", default=exports.STANDING, metavar="NAME", help="whose labels "
                      "(default: %(default)s, one label a window of all people)")  # fmt: skip
    verb.set_defaults(handler=_release)


def _release(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    verb, *names = args.words
    with options.opened(workspace) as (store, bar_store):
        if verb not in releases.VERBS and not names:
            made = releases.make_release(
                verb, store, bar_store, folder=workspace.releases_dir, layer=args.layer
            )
            return _facts(made), f"{_line(made)}\n{workspace.releases_dir / made.name}"
        if verb == "list" and not names:
            known = store.releases()
            lines = "\n".join(map(_line, known)) or "No release yet."
            return [_facts(item) for item in known], lines
        if verb == "show" and len(names) == 1:
            found = releases.find_release(names[0], store)
            return _facts(found), json.dumps(found.manifest, indent=1, sort_keys=True)
        if verb == "verify" and len(names) == 1:
            return _compare(names[0], store, bar_store, workspace)
    raise ConfigError(
        "release should be followed by a new NAME, or by list, show NAME or verify NAME. Found "
        f"{' '.join(args.words)!r}."
    )


def _compare(
    name: str, store: LabelStore, bar_store: BarStore, workspace: Workspace
) -> tuple[Any, str]:
    """Say that files and bars are those of the release; reading raises if they are not."""
    found = releases.find_release(name, store)
    released = releases.read_release(workspace.releases_dir / name, store, bar_store)
    text = f"{name}: {len(released.windows):,} windows, files and bars are those of the release"
    return _facts(found), text


def _facts(release: Release) -> dict[str, Any]:
    return {
        "name": release.name,
        "release_id": release.release_id,
        "event_seq": release.event_seq,
        "created_at": release.created_at.isoformat(),
        "counts": release.manifest["counts"],
    }


def _line(release: Release) -> str:
    counts = release.manifest["counts"]
    return (
        f"{release.name}: {counts['windows']:,} windows, {counts['spans']:,} spans, "
        f"{counts['groups']:,} groups; {release.created_at:%Y-%m-%d %H:%M} UTC, "
        f"hash {release.release_id[:12]}"
    )


def _add_rehome(verb: argparse.ArgumentParser) -> None:
    """Move windows that came alone to the feed that holds their bars now."""
    verb.add_argument("--dry-run", action="store_true", help="only list them and where they go")
    verb.set_defaults(handler=_rehome)


def _rehome(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    with options.opened(workspace) as (store, bar_store):
        homes = find_homes(store, bar_store)
        lines = [
            f"{home.series_id} ({home.name}) begins at bar {home.bar_start:,} of "
            f"{home.feed.series_id}"
            for home in homes
        ]
        if args.dry_run or not homes:
            none = "No window that came alone lies in a feed."
            return {"found": lines}, "\n".join(lines) or none
        report = move_home(homes, store, op_id=f"rehome:{uuid.uuid4().hex}")
    return report, "\n".join([*lines, str(report)])


VERBS = {"release": _add_release, "rehome": _add_rehome}
