"""Every metric of the gateway; `docs/metrics.md` explains each. A file a part that reports, `metrics` for all."""

from app.telemetry.metrics.families import UNKNOWN
from app.telemetry.metrics.metrics import Metrics

__all__ = ["UNKNOWN", "Metrics"]
