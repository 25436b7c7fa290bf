"""What has to fit together in a site: names used once, routes that lead somewhere, ports that are free."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from radflow.settings.base import Section, Service
from radflow.settings.code_tables import stands_in_coded_field
from radflow.settings.site import Site
from radflow.settings.toml_lines import Location
from radflow.settings.worklist_target import Hl7Worklist

_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 (compared with, never bound to)


class Wrong(NamedTuple):
    """A key, and what is wrong with it."""

    location: Location
    reason: str


def wrong_references(site: Site) -> Iterator[Wrong]:
    """Whatever does not fit together."""
    for section in ("archives", "fhir", "filters", "report_sources", "routes", "tables"):
        yield from _used_twice([one.name for one in getattr(site, section)], section, "name")
    yield from _used_twice([task.step for task in site.tasks], "tasks", "function")
    yield from _routes_to_nowhere(site)
    yield from _moves_to_nowhere(site)
    yield from _worklist_at_nobody(site)
    yield from _tables_at_odds(site)
    yield from _limits_that_never_hold(site)
    yield from _reports_of_nobody(site)
    yield from _ports_used_twice(site)


def services_of(site: Site) -> Iterator[tuple[Location, Service]]:
    """Whatever listens at the site, and the key that says so."""
    return ((location, section) for location, section in sections_of(site) if isinstance(section, Service))


def sections_of(section: Any, location: Location = ()) -> Iterator[tuple[Location, Section]]:
    """A section and all that are in it, each with its key."""
    if isinstance(section, Section):
        yield location, section
        inside: Any = ((name, getattr(section, name)) for name in type(section).model_fields)
    elif isinstance(section, tuple):
        inside = enumerate(section)
    else:
        return
    for name, value in inside:
        yield from sections_of(value, (*location, name))


def share_a_port(one: Service, other: Service) -> bool:
    """Whether both cannot listen at once; port 0 is whichever is free."""
    same_host = one.host == other.host or one.host in _EVERYWHERE or other.host in _EVERYWHERE
    return bool(one.port) and one.port == other.port and same_host


def _ports_used_twice(site: Site) -> Iterator[Wrong]:
    # What is written comes after defaults, so that the key named is one that the file has.
    services = sorted(services_of(site), key=lambda found: found[0][0] in site.model_fields_set)
    for number, (location, service) in enumerate(services):
        for where, earlier in services[:number]:
            if share_a_port(service, earlier):
                reason = f"Port {service.port} is that of [{where[0]}] already. Give one of them another."
                yield Wrong((*location, "port"), reason)


def _used_twice(names: Sequence[str], section: str, key: str) -> Iterator[Wrong]:
    for number, name in enumerate(names):
        if name in names[:number]:
            yield Wrong((section, number, key), f"{name!r} is there already: each name is used once.")


def _routes_to_nowhere(site: Site) -> Iterator[Wrong]:
    known = [destination.name for destination in site.destinations]
    for number, route in enumerate(site.routes):
        for name in route.to:
            if name not in known:
                has = f"destinations are {', '.join(known)}" if known else "the site has no [[destinations]]"
                yield Wrong(("routes", number, "to"), f"There is no destination {name!r}; {has}.")


def _moves_to_nowhere(site: Site) -> Iterator[Wrong]:
    known = [archive.name for archive in site.archives]
    for section in ("image_routes", "prefetch"):
        for number, move in enumerate(getattr(site, section)):
            for key, name in (("from", move.source), ("to", move.target)):
                if name not in known:
                    has = f"archives are {', '.join(known)}" if known else "the site has no [[archives]]"
                    yield Wrong((section, number, key), f"There is no archive {name!r}; {has}.")


def _worklist_at_nobody(site: Site) -> Iterator[Wrong]:
    target = site.worklist.target
    takers = [destination.name for destination in site.destinations if "orders" in destination.takes]
    if isinstance(target, Hl7Worklist) and target.destination not in takers:
        reason = f'No destination {target.destination!r} takes orders: takes = ["orders"] in its section.'
        yield Wrong(("worklist", "target", "destination"), reason)


def _tables_at_odds(site: Site) -> Iterator[Wrong]:
    for number, table in enumerate(site.tables):
        if not table.codes:
            reason = "The table has no codes: name a file, or write them as codes = { … }."
            yield Wrong(("tables", number), reason)
        told = any(code.display or code.system for code in table.codes.values())
        if told and not table.file and not all(map(stands_in_coded_field, table.path)):
            yield Wrong(("tables", number, "codes"), "Text and coding system follow components 1 and 4 only.")


def _limits_that_never_hold(site: Site) -> Iterator[Wrong]:
    for number, limit in enumerate(site.overdue):
        for earlier, other in enumerate(site.overdue[:number]):
            if other.covers(limit):
                reason = f"It is never heeded: overdue[{earlier}] is for the same orders, and comes first."
                yield Wrong(("overdue", number, "stage"), reason)
                break


def _reports_of_nobody(site: Site) -> Iterator[Wrong]:
    if site.report_sources and "fhir" not in site.results.prefer:
        yield Wrong(
            ("report_sources",), 'results.prefer does not name "fhir": their reports would never count.'
        )
    for number, source in enumerate(site.report_sources):
        if source.kind == "fhir-subscription" and site.webhook is None:
            reason = "Its notifications come to the site's [webhook], and there is none."
            yield Wrong(("report_sources", number, "kind"), reason)
