"""``taskq verify``: the faults of our own tests, for your server with its persistence and its network.

report = verify(Settings.load(), VerifyOptions(minutes=3))
assert not report.violations
"""

from taskq.testing.verify.losses import LOSS_HEADERS, LossWindow
from taskq.testing.verify.report import HEADERS, Report, Tally
from taskq.testing.verify.run import TITLES, VerifyOptions, verify

__all__ = ["HEADERS", "LOSS_HEADERS", "TITLES", "LossWindow", "Report", "Tally", "VerifyOptions", "verify"]
