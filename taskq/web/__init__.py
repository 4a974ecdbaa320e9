"""The dashboard in a browser: ``taskq dashboard``, or ``create_app`` inside of another ASGI app. Extra: ``web``."""

from taskq.web.app import create_app
from taskq.web.options import DashboardOptions

__all__ = ["DashboardOptions", "create_app"]
