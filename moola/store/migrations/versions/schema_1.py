"""The first schema: series, windows, proposals, spans, reviews and the log of events."""

revision = "1"
down_revision = None
