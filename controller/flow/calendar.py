"""Opening hours, as flows know them; see `controller.hours`."""

from controller.hours import HORIZON_DAYS, Calendar, Days, Hours, Opening, Status, subdivisions, zones

__all__ = ["HORIZON_DAYS", "Calendar", "Days", "Hours", "Opening", "Status", "subdivisions", "zones"]
