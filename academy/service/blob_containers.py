"""Operations on containers and on the account as a whole."""

from __future__ import annotations

from bisect import bisect_left

from starlette.responses import Response

from academy.blobs.store import BlobStore
from academy.service import blob_answers as answers
from academy.service.blob_access import Grant
from academy.service.blob_reads import echoed, page_size, parse_marker
from academy.service.blob_request import BlobCall

# What is set for the whole account: nothing is logged or counted, no other origin may call, nothing
# deleted is kept, no web site is served.
_SERVICE_PROPERTIES = (
    "<StorageServiceProperties>"
    "<Logging><Version>1.0</Version><Delete>false</Delete><Read>false</Read><Write>false</Write>"
    "<RetentionPolicy><Enabled>false</Enabled></RetentionPolicy></Logging>"
    "<HourMetrics><Version>1.0</Version><Enabled>false</Enabled>"
    "<RetentionPolicy><Enabled>false</Enabled></RetentionPolicy></HourMetrics>"
    "<MinuteMetrics><Version>1.0</Version><Enabled>false</Enabled>"
    "<RetentionPolicy><Enabled>false</Enabled></RetentionPolicy></MinuteMetrics>"
    "<Cors /><DeleteRetentionPolicy><Enabled>false</Enabled></DeleteRetentionPolicy>"
    "<StaticWebsite><Enabled>false</Enabled></StaticWebsite>"
    "</StorageServiceProperties>"
)


def account_information(store: BlobStore, call: BlobCall, _grant: Grant) -> Response:
    store.containers.account_folder(call.account)
    named = {"sku-name": "Standard_LRS", "account-kind": "StorageV2", "is-hns-enabled": "false"}
    return Response(headers={f"x-ms-{name}": value for name, value in named.items()})


def service_properties(store: BlobStore, call: BlobCall, _grant: Grant) -> Response:
    store.containers.account_folder(call.account)
    return answers.xml(_SERVICE_PROPERTIES)


def list_containers(store: BlobStore, call: BlobCall, _grant: Grant) -> Response:
    """Answer with a page of the account's containers."""
    shown = echoed(call, ("metadata",))
    prefix, size = call.query.get("prefix", ""), page_size(call)
    names = [name for name in store.containers.names(call.account) if name.startswith(prefix)]
    start = bisect_left(names, parse_marker(call))
    page, rest = names[start : start + size], names[start + size :]
    found = [store.containers.get(call.account, name) for name in page]
    more = answers.marker(rest[0]) if rest else None
    return answers.container_listing(call.endpoint, shown, found, more=more)


def create_container(store: BlobStore, call: BlobCall, _grant: Grant) -> Response:
    made = store.containers.create(call.account, call.container, call.metadata())
    return Response(status_code=201, headers=answers.state_headers(made.etag, made.modified_at))


def container_properties(store: BlobStore, call: BlobCall, _grant: Grant) -> Response:
    found = store.containers.get(call.account, call.container)
    return Response(headers=answers.container_headers(found))


def set_container_metadata(store: BlobStore, call: BlobCall, _grant: Grant) -> Response:
    """Replace the container's metadata."""
    found = store.containers.get(call.account, call.container)
    call.conditions().check_write(found.etag, found.modified_at)
    changed = store.containers.set_metadata(call.account, call.container, call.metadata())
    return Response(headers=answers.state_headers(changed.etag, changed.modified_at))


def container_access(store: BlobStore, call: BlobCall, _grant: Grant) -> Response:
    """Answer with the container's access policies: there are none, and nothing is public."""
    found = store.containers.get(call.account, call.container)
    headers = answers.state_headers(found.etag, found.modified_at)
    return answers.xml("<SignedIdentifiers />", headers=headers)


def delete_container(store: BlobStore, call: BlobCall, _grant: Grant) -> Response:
    """Remove the container and every blob in it."""
    found = store.containers.get(call.account, call.container)
    call.conditions().check_write(found.etag, found.modified_at)
    store.delete_container(call.account, call.container)
    return Response(status_code=202)
