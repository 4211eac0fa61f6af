"""A cell or a service by its name."""

from __future__ import annotations

from academy.errors import NotFound, choices
from academy.matrix.catalogue import Catalogue, Cell, CellId, Service
from academy.matrix.fields import did_you_mean


def find(catalogue: Catalogue, name: str) -> Cell | Service:
    """Return what ``name`` is the id, the name or a former name of; case does not matter.

    Of ``Azure Kubernetes Service (AKS)``, what stands before the parentheses is enough, and what is in them.

    Raises
    ------
    NotFound
        There is none; the message says what was meant, perhaps, and what there is.
    """
    known = _by_name(catalogue)
    found = known.get(bare(name)) or _by_part(catalogue).get(bare(name))
    if found is None:
        services = choices(service.id for service in catalogue.services())
        raise NotFound(
            f"The matrix has no cell or service {name!r}.{_meant(name, known)} "
            f"Cells: {choices(CellId, in_order=True)}. Services: {services}."
        )
    return found


def guests(catalogue: Catalogue, cell: CellId) -> tuple[Service, ...]:
    """Return the services of other cells that can be met in this one too."""
    return tuple(service for service in catalogue.services() if cell in service.also_in)


def names_of(service: Service) -> tuple[str, ...]:
    """Return all names that a service is found by, as they are compared."""
    return tuple(bare(name) for name in (*service.formerly, service.name, service.id))


def _by_name(catalogue: Catalogue) -> dict[str, Cell | Service]:
    found: dict[str, Cell | Service] = {}
    for service in catalogue.services():
        for name in names_of(service):
            found[name] = service
    return found | {bare(cell.id): cell for cell in catalogue.cells.values()}


def _by_part(catalogue: Catalogue) -> dict[str, Service]:
    """Return services by what stands before the parentheses that end a name of theirs, and in them."""
    found: dict[str, Service] = {}
    for service in catalogue.services():
        for name in (service.name, *service.formerly):
            before, opening, inner = name.removesuffix(")").rpartition("(")
            if opening and name.endswith(")"):
                found[bare(before)] = found[bare(inner)] = service
    return found


def _meant(name: str, known: dict[str, Cell | Service]) -> str:
    near = did_you_mean(bare(name), known)
    return next((f" Did you mean {str(known[one].id)!r}?" for one in known if f"{one!r}" in near), "")


def bare(name: str) -> str:
    """Return a name as it is compared: ``Azure ML Notebooks`` is ``azure-ml-notebooks``."""
    return "-".join(name.casefold().replace("-", " ").replace("_", " ").split())
