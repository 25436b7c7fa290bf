"""Whether sites can be run here: their files are right, and what they name is there.

Reading the site files finds most (`radflow.settings`); this looks at what lies outside them too:
certificates, the functions of a site's own tasks, and the ports of all sites together.
"""

import inspect
import os
import pkgutil
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

from radflow.connectors.tls import client_context, server_context
from radflow.settings.base import ConfigError, Problem, Section
from radflow.settings.reading import SiteFile, names_used_twice
from radflow.settings.references import Wrong, sections_of, services_of, share_a_port
from radflow.settings.rules import SiteTask
from radflow.settings.tls import ClientTls, ServerTls


def site_files(folder: Path, names: Sequence[str] | None = None) -> list[SiteFile]:
    """The site files of a folder, or those of these sites, read."""
    files = [SiteFile(path) for path in sorted(folder.glob("*.toml"))]
    if not names:
        return files
    return [_named(name, files) or SiteFile(folder / f"{name}.toml") for name in names]


def problems_of(files: Sequence[SiteFile], folder: Path) -> list[Problem]:
    """Everything that keeps these sites from running together, here."""
    if not files:
        return [Problem(str(folder), 0, "", "There is no site file (*.toml) in this folder.")]
    found = [problem for file in files for problem in file.problems]
    found += names_used_twice(list(files))
    for file in files:
        if file.site:
            found += [file.problem(*wrong) for wrong in _missing_here(file)]
    return sorted(found + list(_ports_of_several_sites(files)))


def _named(name: str, files: Sequence[SiteFile]) -> SiteFile | None:
    of_name = (file for file in files if name == (file.site.name if file.site else file.path.stem))
    return next(of_name, None)


def _missing_here(file: SiteFile) -> Iterator[Wrong]:
    assert file.site is not None
    for location, section in sections_of(file.site):
        unreadable = list(_unreadable_files(section))
        yield from (Wrong((*location, name), reason) for name, reason in unreadable)
        if not unreadable and (reason := _why_no_tls(section)):
            yield Wrong(location, reason)
        if isinstance(section, SiteTask) and (reason := why_not_callable(section.function)):
            yield Wrong((*location, "function"), reason)


def _unreadable_files(section: Section) -> Iterator[tuple[str, str]]:
    for name in type(section).model_fields:
        path = getattr(section, name)
        if isinstance(path, Path) and not (path.is_file() and os.access(path, os.R_OK)):
            says = "cannot be read by this user" if path.exists() else "is not there"
            yield name, f"The file {path.absolute()} {says}."


def _why_no_tls(section: Section) -> str:
    try:
        if isinstance(section, ServerTls):
            server_context(section)
        if isinstance(section, ClientTls):
            client_context(section)
    except ConfigError as error:
        return str(error)
    return ""


def why_not_callable(function: str) -> str:
    """Why `package.module:function` cannot be called with an order's key; empty when it can."""
    try:
        found = pkgutil.resolve_name(function)
    except (ImportError, AttributeError) as error:
        says = str(error).rstrip(".")
        return f"{says}. Its package is to be installed beside radflow, or found by PYTHONPATH."
    except Exception as error:
        return f"Its module fails when it is imported: {type(error).__name__}."
    try:
        inspect.signature(found).bind("order-key")
    except TypeError:
        return "It is no function that takes the order's key and nothing else."
    return ""


def _ports_of_several_sites(files: Sequence[SiteFile]) -> Iterator[Problem]:
    for one, other in combinations((file for file in files if file.site), 2):
        assert one.site
        assert other.site
        for where, earlier in services_of(one.site):
            for location, service in services_of(other.site):
                if share_a_port(earlier, service):
                    whose = f"that of [{where[0]}] in {one.path.name}"
                    reason = f"Port {service.port} is {whose} already. Give one of them another."
                    yield other.problem((*location, "port"), reason)
