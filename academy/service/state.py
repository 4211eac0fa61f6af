"""What the handlers work with, put together once when the service starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from academy.audit.ledger import ServiceLedger
from academy.audit.recorder import Recorder
from academy.blobs.store import BlobStore
from academy.datasets.datastores import Datastores
from academy.datasets.locate import Locator
from academy.endpoints.online import OnlineEngine
from academy.experiments.tracking import Tracking
from academy.jobs.engine import JobEngine
from academy.paths import Home
from academy.signing import Signer
from academy.store.audit import AuditLog
from academy.store.documents import Documents
from academy.store.lab_events import LabEvents
from academy.store.versions import Versions


@dataclass(frozen=True)
class ServiceState:
    """The rooms behind the HTTP face; ``address()`` is the base URL, such as ``http://127.0.0.1:41234``."""

    home: Home
    signer: Signer
    documents: Documents
    versions: Versions
    audit: AuditLog
    lab_events: LabEvents
    blobs: BlobStore
    datastores: Datastores
    locator: Locator
    tracking: Tracking
    jobs: JobEngine
    online: OnlineEngine
    ledger: ServiceLedger
    recorder: Recorder
    address: Callable[[], str]
