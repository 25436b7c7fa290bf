"""Structured logs on standard error: for people by default, as JSON lines on request."""

import logging
import sys

import structlog

from radflow.settings import settings


def set_up_logging() -> None:
    """Configure structlog as the settings say. Logs carry order keys, never patient data."""
    last = (
        structlog.processors.JSONRenderer()
        if settings().log_json
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings().log_level)),
        # Standard error as it is at that moment: who runs a command in-process may have replaced it.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
