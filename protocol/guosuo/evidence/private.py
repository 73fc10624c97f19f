"""The mark of personal data."""

from __future__ import annotations


class Private:
    """Personal data: a repr, and so a log line or a traceback, shows nothing of it."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Only the name of the type."""
        return f"{type(self).__name__}(…)"
