"""The records of a running service, read over HTTP by its owner's commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from academy.audit.chain import Head, Sealed
from academy.errors import AcademyError, ServiceUnavailable
from academy.service.loopback import Loopback
from academy.service.process import ServiceInfo

RECORDS, HEAD = "/academy/audit/records", "/academy/audit/head"

# The longest page: a record lists a few hundred packages.
PAGE = 100

# The service first records what is not on record yet, and a large model takes a while to hash.
_TIMEOUT_S = 600.0

# A service without these routes takes them for a blob's address, which wants more.
_NO_SUCH_ROUTE = (400, 404)


@dataclass(frozen=True)
class KeptRecords:
    """The service's ledger for its readers; who needs both records and head reads with ``finding.whole``."""

    info: ServiceInfo

    def read(self, *, id: str | None = None, after: int = 0) -> Sequence[Sealed]:
        """Return the sealed records in order: all, or those of one id (without regard to case)."""
        found: list[Sealed] = []
        query = {"top": PAGE, **({} if id is None else {"id": id})}
        while True:
            page = self._get(RECORDS, after=after, **query)["value"]
            found += [Sealed.from_json(item) for item in page]
            if len(page) < PAGE:
                return found
            after = found[-1].sequence

    def head(self) -> Head:
        """Return the head as it was noted apart from the records."""
        found = self._get(HEAD)
        return Head(found["sequence"], found["hash"])

    def _get(self, path: str, **query: object) -> dict[str, Any]:
        try:
            return Loopback(self.info, _TIMEOUT_S).get(path, **query)
        except AcademyError as error:
            if error.http_status not in _NO_SUCH_ROUTE:
                raise
            raise ServiceUnavailable(
                f"The service of {self.info.home} was started before this Academy was installed, and knows "
                "of no audit trail. 'academy down' ends it, 'academy up' starts the new one."
            ) from error
