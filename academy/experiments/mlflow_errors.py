"""Academy's errors in MLflow's terms, which its clients understand."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from mlflow.exceptions import MlflowException
from mlflow.protos import databricks_pb2 as codes

from academy.errors import AcademyError

P = ParamSpec("P")
T = TypeVar("T")

_CODES = {
    400: codes.INVALID_PARAMETER_VALUE,
    403: codes.PERMISSION_DENIED,
    404: codes.RESOURCE_DOES_NOT_EXIST,
    409: codes.RESOURCE_ALREADY_EXISTS,
    503: codes.TEMPORARILY_UNAVAILABLE,
}


def in_mlflow_terms(method: Callable[P, T]) -> Callable[P, T]:
    """Have a store's method raise ``MlflowException`` where it would raise an error of ours."""

    @functools.wraps(method)
    def translated(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(*args, **kwargs)
        except AcademyError as error:
            code = _CODES.get(error.http_status, codes.INTERNAL_ERROR)
            raise MlflowException(error.message, error_code=code) from error

    return translated
