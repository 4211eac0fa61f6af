"""Watch."""

from __future__ import annotations


class Watch:
    """Looks at a tree from outside."""
