"""The part of the label store that labels and whole logs come in and go out through."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from moola.exceptions import RefusedRow
from moola.store import changes, label_intake, log_file
from moola.store.changes import Operation
from moola.store.deciding import DecisionStore
from moola.store.engine import reading, writing
from moola.store.incoming import ImportedWindow, ImportSummary
from moola.store.reader import LOCAL
from moola.tables import refuse_rows


class ExchangeStore(DecisionStore):
    """Labels of other tools and other stores."""

    def import_labels(
        self, windows: Sequence[ImportedWindow], *, op_id: str, source: str, annotator: str = LOCAL
    ) -> ImportSummary:
        """Add the windows, spans and decisions of a label file, all or none of them."""

        def work(op: Operation) -> Mapping[str, Any]:
            summary, refused = label_intake.put_imported(op, windows, source=source)
            refuse_rows(refused, sum(len(item.spans) or 1 for item in windows), source)
            return asdict(summary)

        answer, is_new = self._write(
            "import_labels",
            work,
            op_id=op_id,
            annotator=annotator,
            args={"source": source, "n_windows": len(windows)},
        )
        return _summary(answer, already_there=not is_new)

    def try_labels(
        self, windows: Sequence[ImportedWindow], *, op_id: str, source: str, annotator: str = LOCAL
    ) -> tuple[ImportSummary, list[RefusedRow]]:
        """Return what `import_labels` would answer and refuse; nothing stays written."""
        args = {"source": source, "n_windows": len(windows)}
        with writing(self._engine) as connection:
            event = changes.find_event(connection, op_id, kind="import_labels", args=args)
            if event is not None:
                return _summary(event.payload["answer"], already_there=True), []
            attempt = connection.begin_nested()
            op = Operation(connection, op_id, annotator, "import_labels")
            try:
                return label_intake.put_imported(op, windows, source=source)
            finally:
                attempt.rollback()

    def log_rows(self) -> Iterator[dict[str, Any]]:
        """Yield every event as its row stands, oldest first."""
        with reading(self._engine) as connection:
            yield from log_file.log_rows(connection)

    def restore_log(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rebuild an empty store from the events of another: the same log, the same values."""
        with writing(self._engine) as connection:
            log_file.restore(connection, rows)

    def _write(
        self,
        kind: str,
        work: Callable[[Operation], Mapping[str, Any]],
        *,
        op_id: str,
        annotator: str,
        args: Mapping[str, Any],
        window_uid: str | None = None,
    ) -> tuple[Mapping[str, Any], bool]:
        """Do one operation, unless it was done; return its answer and whether it wrote a row."""
        with writing(self._engine) as connection:
            event = changes.find_event(connection, op_id, kind=kind, args=args)
            if event is not None:
                return event.payload["answer"], False
            op = Operation(connection, op_id, annotator, kind)
            answer = work(op)
            if op.changes:  # what changes nothing leaves no trace, and may be done again
                changes.append_event(op, args=args, window_uid=window_uid, answer=answer)
            return answer, bool(op.changes)


def _summary(answer: Mapping[str, Any], *, already_there: bool) -> ImportSummary:
    known = {"repaired": tuple(answer["repaired"]), "already_there": already_there}
    return ImportSummary(**{**answer, **known})
