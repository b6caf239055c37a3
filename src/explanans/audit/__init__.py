"""A whole data set explained and summed up: what the classifier uses, everywhere, and what of it is suspect.

``photos`` → the batch job explains them → ``looking`` (each shard: where masks lie, what they keep) → ``classes`` (by
class), ``ways`` (clusters of what is kept), ``suspects`` (each with a test) → ``report``. ``run`` is all of it.
"""

from explanans.audit.audit_settings import Settings
from explanans.audit.audited_photos import Photos, open_photos
from explanans.audit.run import Audit, audit

__all__ = ["Audit", "Photos", "Settings", "audit", "open_photos"]
