"""Fetch a file from the web for a job whose own author asked for it."""

from __future__ import annotations

import errno
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO

from academy.errors import AcademyError, StorageFull, UserError
from academy.paths import beside

TIMEOUT_S = 60.0
ATTEMPTS = 3

_CHUNK_BYTES = 1 << 20
_REPORT_EVERY_S = 2.0


class DownloadFailed(UserError):
    """A web address could not be read: no connection, no such file, no permission."""

    code = "DownloadFailed"


def fetch(url: str, target: Path, log: Callable[[str], None]) -> None:
    """Stream ``url`` into the file ``target``, which appears only when it is whole.

    A transfer that breaks off is tried again; one that the server refuses is not.

    Raises
    ------
    DownloadFailed
        When the address cannot be read; the message says why and what else to do.
    StorageFull
        When the disk is full.
    """
    partial = beside(target)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _transfer(url, partial, log)
            break
        except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
            partial.unlink(missing_ok=True)
            if attempt == ATTEMPTS:
                raise DownloadFailed(f"Reading {url} broke off {ATTEMPTS} times: {error}.") from error
            log(f"Reading {url} broke off ({error}); trying again.")
    os.replace(partial, target)


def _transfer(url: str, partial: Path, log: Callable[[str], None]) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "academy"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response, open(partial, "wb") as file:
            expected = int(response.headers.get("Content-Length") or 0)
            received = _pump(url, response, file, expected, log)
    except urllib.error.HTTPError as error:
        error.close()
        raise _refused(url, error) from error
    except urllib.error.URLError as error:
        raise DownloadFailed(
            f"{url} cannot be reached: {error.reason}. If this machine is offline, download the file where "
            "there is a network and give the job the local copy: Input(path='./FILE')."
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"The disk is full while {url} is downloaded. Free some space.") from error
        raise
    if expected and received < expected:
        raise http.client.IncompleteRead(b"", expected - received)


def _pump(url: str, response: IO[bytes], file: IO[bytes], expected: int, log: Callable[[str], None]) -> int:
    received, reported = 0, time.monotonic()
    log(f"Downloading {url}" + (f" ({_megabytes(expected)})" if expected else ""))
    while chunk := response.read(_CHUNK_BYTES):
        file.write(chunk)
        received += len(chunk)
        if time.monotonic() - reported >= _REPORT_EVERY_S:
            share = f" of {_megabytes(expected)}, {100 * received // expected} %" if expected else ""
            log(f"Downloading {url}: {_megabytes(received)}{share}")
            reported = time.monotonic()
    log(f"Downloaded {_megabytes(received)} from {url}")
    return received


def _refused(url: str, error: urllib.error.HTTPError) -> AcademyError:
    hints = {
        401: "It needs a login, which a job's input cannot give.",
        403: "It is not public.",
        404: "Check the address.",
    }
    hint = hints.get(error.code, "Try again later, or give the job a local copy.")
    return DownloadFailed(f"{url} answered {error.code} {error.reason}. {hint}")


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
