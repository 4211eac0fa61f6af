"""Score an MLflow model's saved input example: ``python score.py MODEL_FOLDER RESULT_FILE``.

Runs in the Python of either end, which has MLflow and may be an old one, and not Academy: nothing of Academy
is imported here. What goes wrong is raised; the result file says at which stage.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from typing import Any


class Result:
    """What is known so far. It is written at each stage: code that crashes the interpreter ends all else."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.known: dict[str, Any] = {"python": sys.version.split()[0]}

    def reach(self, stage: str) -> None:
        """Note what goes on from now."""
        self.known["stage"] = stage
        self.write()

    def write(self) -> None:
        """Write what is known."""
        with open(self.file, "w", encoding="utf-8") as out:
            json.dump(self.known, out)


class Said(logging.Handler):
    """Keeps what MLflow warns of in its log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self.lines.append(record.getMessage())


def main(folder: str, file: str) -> None:
    """Score, and write the answer with what was warned of on the way."""
    result = Result(file)
    result.reach("import MLflow for")
    said = Said()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                score(folder, said, result)
            finally:
                result.known["warnings"] = [[one.category.__name__, str(one.message)] for one in caught]
                result.known["logged"] = said.lines
    finally:
        result.write()


def score(folder: str, said: Said, result: Result) -> None:
    """Load, read the sample and predict."""
    import mlflow.pyfunc
    from mlflow.models import Model

    logging.getLogger("mlflow").addHandler(said)
    result.reach("load")
    model = mlflow.pyfunc.load_model(folder)
    result.reach("read the sample of")
    sample = Model.load(folder).load_input_example(folder)
    result.reach("score with")
    # As JSON at once, so that an answer that JSON has nothing for is an error of this stage.
    result.known["answer"] = json.loads(json.dumps(described(model.predict(sample)), default=plain))
    result.reach("done")


def described(answer: Any) -> dict[str, Any]:
    """Return an answer as JSON values, with its shape; by what it can do, not by its class."""
    if hasattr(answer, "columns") and hasattr(answer, "to_numpy"):  # a table of pandas
        rows = answer.to_numpy().tolist()
        return {
            "shape": list(answer.shape),
            "columns": [str(name) for name in answer.columns],
            "values": rows,
        }
    if hasattr(answer, "toarray"):  # a sparse matrix
        answer = answer.toarray()
    if hasattr(answer, "detach"):  # a tensor of PyTorch
        answer = answer.detach().cpu()
    if hasattr(answer, "to_numpy"):
        answer = answer.to_numpy()
    if hasattr(answer, "numpy") and callable(answer.numpy):
        answer = answer.numpy()
    if hasattr(answer, "tolist") and hasattr(answer, "shape"):
        return {"shape": list(answer.shape), "values": answer.tolist()}
    shape = [len(answer)] if isinstance(answer, (list, tuple)) else []
    return {"shape": shape, "values": answer}


def plain(value: Any) -> Any:
    """Return what JSON has for a value that it does not know."""
    for method in ("tolist", "isoformat"):
        if hasattr(value, method):
            return getattr(value, method)()
    return repr(value)


if __name__ == "__main__":
    main(*sys.argv[1:])
