"""Errors a user can act on: each message says what should be, what was found, and where.

::

    MoolaError
    ├── SchemaError       (also ValueError)    data breaks a rule of the schema
    │   └── ImportRefused                      a file was refused; carries the refused rows
    ├── StoreError        (also RuntimeError)  the label store could not do it
    │   ├── ConflictError                      somebody changed the row first
    │   ├── StoreUnavailable                   locked, full or away: try the same again
    │   └── UnknownWindow (also KeyError)      no window of that name
    ├── ConfigError       (also ValueError)    an option is out of its range
    ├── CheckpointError   (also ValueError)    a checkpoint does not fit the model
    ├── DeviceError       (also RuntimeError)  the device asked for is not there
    └── RunError          (also RuntimeError)  a run folder is missing, damaged or in use
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class MoolaError(Exception):
    """Anything a user can mend; the message is one clear sentence."""


class SchemaError(MoolaError, ValueError):
    """Data breaks a rule of the schema."""


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """One refused row of a file: its 1-based data row number and the reason."""

    row: int
    reason: str
    against: int | None = None
    """The row that says otherwise about the same bars; 0 where the store does."""

    def __str__(self) -> str:
        return f"row {self.row}: {self.reason}"


class ImportRefused(SchemaError):
    """A file was refused as a whole; ``rows`` names every row at fault."""

    def __init__(self, message: str, rows: Sequence[RefusedRow] = ()) -> None:
        super().__init__(message)
        self.rows = tuple(rows)


class StoreError(MoolaError, RuntimeError):
    """The label store could not do what was asked."""


class ConflictError(StoreError):
    """The row was changed by somebody else since it was read."""


class StoreUnavailable(StoreError):
    """The store cannot be reached or written just now; nothing was, and a retry is safe."""


class UnknownWindow(StoreError, KeyError):
    """No window has this id or alias."""

    __str__ = Exception.__str__  # KeyError would show the repr of the sentence


class ConfigError(MoolaError, ValueError):
    """An option is out of its range."""


class CheckpointError(MoolaError, ValueError):
    """A checkpoint cannot be read or does not fit the model."""


class DeviceError(MoolaError, RuntimeError):
    """The device asked for is not present on this machine."""


class RunError(MoolaError, RuntimeError):
    """A run folder is missing, damaged or in use."""
