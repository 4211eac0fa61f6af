"""Run the server that a configuration file describes: ``python …/scoring_server CONFIG.json``."""

import importlib
import importlib.util
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

if __name__ == "__main__":
    # A script's own 'import messages' must never find ours: the folder leaves the path, and is
    # imported as a package of a name that nobody else has.
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != HERE]
    spec = importlib.util.spec_from_file_location(
        "academy_scoring_server", os.path.join(HERE, "__init__.py"), submodule_search_locations=[HERE]
    )
    assert spec is not None
    sys.modules["academy_scoring_server"] = importlib.util.module_from_spec(spec)
    sys.exit(importlib.import_module("academy_scoring_server.server").main(sys.argv[1]))
