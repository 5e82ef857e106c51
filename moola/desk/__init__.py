"""The labelling desk without its screen: queues over the state of the store, and decisions.

`Desk` answers everything that the browser asks; ``moola.ui.desk_routes`` puts it on HTTP.
"""

from moola.desk.desk import Desk
from moola.desk.items import name_of
from moola.desk.modes import MODES, QUEUE_MODES, QueueMode
from moola.desk.queue import Filters, Query

__all__ = ["MODES", "QUEUE_MODES", "Desk", "Filters", "Query", "QueueMode", "name_of"]
