"""Where ARM documents live: versions, labels, archive, list views and the audit log."""
