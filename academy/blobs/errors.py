"""What blob storage refuses, under Azure Storage's own error codes.

The codes and their statuses: https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
"""

from __future__ import annotations

from academy.errors import AcademyError, NotFound

_STATUS = {
    "AppendPositionConditionNotMet": 412,
    "AuthenticationFailed": 403,
    "AuthorizationPermissionMismatch": 403,
    "AuthorizationProtocolMismatch": 403,
    "AuthorizationResourceTypeMismatch": 403,
    "AuthorizationServiceMismatch": 403,
    "AuthorizationSourceIPMismatch": 403,
    "BlobAlreadyExists": 409,
    "BlockListTooLong": 400,
    "CannotVerifyCopySource": 404,
    "ConditionNotMet": 412,
    "ContainerAlreadyExists": 409,
    "InvalidAuthenticationInfo": 401,
    "InvalidBlobOrBlock": 400,
    "InvalidBlobType": 409,
    "InvalidBlockId": 400,
    "InvalidBlockList": 400,
    "InvalidHeaderValue": 400,
    "InvalidMd5": 400,
    "InvalidMetadata": 400,
    "InvalidQueryParameterValue": 400,
    "InvalidRange": 416,
    "InvalidResourceName": 400,
    "InvalidUri": 400,
    "InvalidXmlDocument": 400,
    "MaxBlobSizeConditionNotMet": 412,
    "Md5Mismatch": 400,
    "MetadataTooLarge": 400,
    "MissingContentLengthHeader": 411,
    "MissingRequiredHeader": 400,
    "MissingRequiredQueryParameter": 400,
    "NoAuthenticationInformation": 401,
    "NoPendingCopyOperation": 409,
    "OutOfRangeQueryParameterValue": 400,
    "RequestBodyTooLarge": 413,
    "ResourceTypeMismatch": 409,
    "SourceConditionNotMet": 412,
    "UnauthorizedBlobOverwrite": 403,
    "UnsupportedHeader": 400,
    "UnsupportedHttpVerb": 405,
    "UnsupportedQueryParameter": 400,
}


class BlobError(AcademyError):
    """A refusal under one of Azure Storage's codes; the code gives the HTTP status."""

    def __init__(self, code: str, message: str, *, target: str | None = None) -> None:
        super().__init__(message, target=target)
        self.code = code
        self.http_status = _STATUS[code]


class NotModified(AcademyError):
    """A conditional read whose condition says that the reader has it already."""

    http_status = 304
    code = "ConditionNotMet"


class BlobNotFound(NotFound):
    """There is no such blob."""

    code = "BlobNotFound"

    def __init__(self, container: str, name: str) -> None:
        super().__init__(f"The container {container!r} has no blob {name!r}.", target=name)


class ContainerNotFound(NotFound):
    """There is no such container."""

    code = "ContainerNotFound"

    def __init__(self, account: str, container: str) -> None:
        super().__init__(f"The storage account {account!r} has no container {container!r}.", target=container)
