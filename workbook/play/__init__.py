"""The machinery of notebooks/playground.ipynb: training that is watched while it runs, drawn in widgets.

``training`` trains and can be stopped, ``background`` keeps the kernel free meanwhile, ``chart`` draws, ``controls``
holds what can be moved. The four parts of the notebook are ``live``, ``search``, ``inside`` (and ``views`` of a trained
network, with ``picture`` to read one of one's own) and ``rates``. The mathematics is ``lib``'s alone.
"""

from .inside import Inside
from .live import Live
from .panel import show
from .rates import RangeTest
from .search import Search
from .views import Views

__all__ = ["Inside", "Live", "RangeTest", "Search", "Views", "show"]
