"""`radflow up`: everything a small site needs, as one command. A supervisor of ordinary processes.

Each of them also starts alone (`prefect server start`, `prefect worker start --type radflow`,
`radflow listen`, `radflow worklist`, `radflow dispatch`, `radflow send`), as a larger site runs them.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import structlog
from prefect.context import refresh_global_settings_context

from radflow.deploy import PROJECT, deployer, make_pool, sweep_every
from radflow.settings import LOOPBACK, settings
from radflow.stopping import Stop

log = structlog.get_logger()

PREFECT = (sys.executable, "-m", "prefect")
RADFLOW = (sys.executable, "-m", "radflow")
SERVER_STARTS_WITHIN = 300
"""Seconds that Prefect's server may take; its first start migrates its database."""
_WITHOUT_PREFECT = {
    "listener": "listen", "worklist": "worklist", "dispatcher": "dispatch", "sender": "send",
}  # fmt: skip
"""Services that do their work while Prefect is away, and the commands that start them."""
STOPS_WITHIN = 20
"""Seconds that a service may take to stop before it is killed."""


@dataclass
class Service:
    """A process that is started again when it ends unasked."""

    name: str
    command: tuple[str, ...]
    log_file: Path
    folder: Path = PROJECT
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    next_start: float = field(default=0.0)

    def start(self) -> None:
        with self.log_file.open("ab") as output:
            # A session of its own: Ctrl-C reaches the supervisor alone, which stops them in order.
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, stdout=output, stderr=output, start_new_session=True
            )

    def keep_up(self, now: float) -> None:
        """Start it again if it has ended, later each time it fails anew."""
        if self.process is None or self.process.poll() is None or now < self.next_start:
            return
        self.failures += 1
        self.next_start = now + min(60.0, 2.0**self.failures)
        log.warning("service ended, starting it again", service=self.name, log=str(self.log_file))
        self.start()

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Site:
    """The running services of `radflow up`."""

    def __init__(self, prefect_port: int, sweep_seconds: float | None = None) -> None:
        """Prepare the services.

        Args:
            prefect_port: where Prefect's server listens, unless PREFECT_API_URL names one that runs already.
            sweep_seconds: how often archives are asked; None leaves it as deployed.
        """
        self._sweep_seconds = sweep_seconds
        self.logs = settings().home.resolve() / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.own_server = "PREFECT_API_URL" not in os.environ
        self.prefect_url = f"http://{LOOPBACK}:{prefect_port}"
        if self.own_server:
            os.environ.update(prefect_environment(prefect_port))
            # Prefect has read its settings at import. Without this a client in this process would not know
            # of our server, and would start one of its own on the same database.
            refresh_global_settings_context()
        self.services: list[Service] = []

    def start(self, say: Callable[[str], None]) -> None:
        """Start everything; returns once Prefect answers and the deployments are made."""
        from radflow.store.engine import store

        with deployer() as apply_deployments:
            # What takes longest to start is started first.
            if self.own_server:
                self._start("prefect-server", prefect_server(self.prefect_url.rpartition(":")[2]))
            store().migrate()
            say("store is ready")
            # Receiving does not wait for Prefect: messages are taken and acknowledged from the first moment.
            for name, command in _WITHOUT_PREFECT.items():
                self._start(name, (*RADFLOW, command))
            if any(site.webhook for site in settings().sites.values()):
                self._start("webhook", (*RADFLOW, "webhook"))
            wait_for_prefect(os.environ["PREFECT_API_URL"])
            say("Prefect's server answers")
            make_pool()
            self._start("worker", (*PREFECT, "worker", "start", "--type", "radflow", "--pool", "radflow"))
            apply_deployments()
        if self._sweep_seconds:
            sweep_every(self._sweep_seconds)
        say("flows are deployed")

    def addresses(self) -> Mapping[str, str]:
        """Where everything is to be found."""
        found = {
            "Prefect UI": os.environ["PREFECT_API_URL"].removesuffix("/api"),
            "store": settings().store_url,
        }
        for name, site in settings().sites.items():
            found[f"HL7 over MLLP ({name})"] = f"{site.listener.host}:{site.listener.port}"
            if http := site.http:
                scheme = "https" if http.tls else "http"
                found[f"HL7 over HTTP ({name})"] = f"{scheme}://{http.host}:{http.port}{http.path}"
            if webhook := site.webhook:
                found[f"studies' webhook ({name})"] = f"http://{webhook.host}:{webhook.port}{webhook.path}"
            found[f"DICOM worklist ({name})"] = (
                f"{site.worklist.ae_title}@{site.worklist.host}:{site.worklist.port}"
            )
        return {**found, "logs": str(self.logs)}

    def keep_up(self, stop: Stop) -> None:
        """Watch over the services until told to stop."""
        while not stop.wait(1.0):
            self.look_after()

    def look_after(self) -> None:
        """Start again what has ended unasked."""
        for service in self.services:
            service.keep_up(time.monotonic())

    def stop(self) -> None:
        """Stop the services in the reverse order of their need."""
        order = (
            "worker", "webhook", "dispatcher", "sender", "listener", "worklist", "prefect-server",
        )  # fmt: skip
        for service in sorted(self.services, key=lambda service: order.index(service.name)):
            service.stop()

    def service(self, name: str) -> Service:
        return next(service for service in self.services if service.name == name)

    def _start(self, name: str, command: tuple[str, ...]) -> None:
        service = Service(name, command, self.logs / f"{name}.log")
        service.start()
        self.services.append(service)


def prefect_server(port: int | str) -> tuple[str, ...]:
    """The command that starts a server of our own on this port of the loopback address."""
    server = (sys.executable, "-m", "radflow.prefect_server", "server", "start")
    return (*server, "--host", LOOPBACK, "--port", str(port))


def prefect_environment(port: int) -> dict[str, str]:
    """Prefect's settings for a server of our own: everything under RADFLOW_HOME, nothing sent anywhere.

    What the environment already says is left alone.
    """
    home = settings().home.resolve() / "prefect"
    url = f"http://{LOOPBACK}:{port}/api"
    ours = {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # The worker looks when Prefect's events tell it to. This is for when they do not arrive.
        "PREFECT_WORKER_QUERY_SECONDS": "5",
        # What legs log goes to the server in one request of each process at a time, not in one a leg.
        "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "5",
        "PREFECT_LOGGING_LEVEL": settings().log_level,
        # What a step's task run becomes is written with others, not in a transaction of its own each time.
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
        # A leg that stands in line after a burst is none that ops must look at.
        "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "60",
    }
    return {name: value for name, value in ours.items() if name not in os.environ}


def wait_for_prefect(api_url: str) -> None:
    """Wait until the server answers.

    Raises:
        TimeoutError: it has not within five minutes.
    """
    until = time.monotonic() + SERVER_STARTS_WITHIN
    while time.monotonic() < until:
        try:
            if httpx.get(f"{api_url}/health", timeout=2).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise TimeoutError(f"Prefect's server did not answer at {api_url} within {SERVER_STARTS_WITHIN} s.")


def run_until_told(site: Site) -> None:
    """Keep the services up until SIGTERM or SIGINT, then stop them."""
    try:
        site.keep_up(Stop().on_signals())
    finally:
        site.stop()
