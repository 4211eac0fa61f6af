"""``academy …``: the service's own commands, and those of ``az ml`` with their verbs and flags."""

from academy.cli.root import academy


def main() -> None:
    """Run the command line."""
    academy(prog_name="academy")
