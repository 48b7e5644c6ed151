"""The index of events."""

from app.telemetry.metrics.families import Families


class IndexMetrics:
    """Kept by whoever assembles it."""

    def __init__(self, new: Families) -> None:
        self.lag = new.level("sluice_index_lag", "Records that the index of events has still to read.", "livesum")
