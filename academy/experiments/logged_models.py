"""MLflow 3 keeps a model apart from the run that logged it; here the run shows it too.

The files are hard links, so nothing is copied and each of the two names stays when the other goes.
"""

from __future__ import annotations

from academy.experiments.artifacts import in_logged_model, relative_path, run_uri
from academy.experiments.runs import run_that_shows
from academy.experiments.scope import Scope


def show_in_run(scope: Scope, model_id: str, folder: str | None, name: str) -> None:
    """Show a model, all of whose files are there, under its name among its run's artifacts."""
    run_id = scope.database.read(lambda session: run_that_shows(session, model_id, whole=False))
    if run_id is not None and folder is not None:
        scope.artifacts.mirror(folder, f"{relative_path(run_uri(run_id))}/{name}")


def show_change(scope: Scope, relative: str) -> None:
    """Show a file that was written into a model that is whole, such as another signature."""
    changed = in_logged_model(relative)
    if changed is None:
        return
    run_id = scope.database.read(lambda session: run_that_shows(session, changed.model_id, whole=True))
    if run_id is not None:
        shown = f"{relative_path(run_uri(run_id))}/{changed.name}/{changed.path}"
        scope.artifacts.mirror_file(relative, shown)
