"""A real kernel for tests of what learners do in one: cells are run one after the other."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

# A kernel that loses its ports to another that starts beside it never answers; it is started again.
START_S = 20
STARTS = 3


class Kernel:
    """A kernel that runs, and the outputs of each cell that is given to it."""

    def __init__(self, client: NotebookClient) -> None:
        self._client = client

    def run(self, source: str) -> list[Any]:
        """Run a cell and return its outputs."""
        cells = self._client.nb.cells
        cells.append(nbformat.v4.new_code_cell(source))
        self._client.execute_cell(cells[-1], len(cells) - 1)
        return list(cells[-1].outputs)

    def text(self, source: str) -> str:
        """Run a cell and return all that stands below it, as text."""
        return "\n".join(map(text_of, self.run(source)))


def text_of(output: Any) -> str:
    if output.output_type == "stream":
        return str(output.text)
    if output.output_type == "error":
        return f"{output.ename}: {output.evalue}"
    return str(output.data["text/plain"])


@contextlib.contextmanager
def kernel_in(folder: Path, environment: Mapping[str, str]) -> Iterator[Kernel]:
    """Start a kernel in ``folder``, as Jupyter does for a notebook there."""
    with contextlib.ExitStack() as stack:
        client = _started(stack, folder, {**os.environ, **environment})
        yield Kernel(client)


def _started(stack: contextlib.ExitStack, folder: Path, environment: Mapping[str, str]) -> NotebookClient:
    for attempt in range(1, STARTS + 1):
        client = NotebookClient(
            nbformat.v4.new_notebook(),
            kernel_name="python3",
            timeout=120,
            startup_timeout=START_S,
            allow_errors=True,
            resources={"metadata": {"path": str(folder)}},
        )
        try:
            stack.enter_context(client.setup_kernel(env=environment, stderr=subprocess.DEVNULL))
            return client
        except RuntimeError:
            if attempt == STARTS:
                raise
    raise AssertionError("not reached")
