"""What is suspect about a classifier, each with a test: one kind in each file, ranked by what intervening does.

``places``: the same place in many photos. ``contexts``: no object needed, evidence outside of it. ``tints``: the
photo's colours. ``lookalikes``: cut-outs that all look the same. ``shared_evidence``: two classes with one evidence,
receipts that do not hold. ``interventions`` asks the classifier, ``find`` puts it together.
"""

from explanans.audit.suspects.find import find_suspects
from explanans.audit.suspects.suspect import ACCUSED, Suspect, ranked

__all__ = ["ACCUSED", "Suspect", "find_suspects", "ranked"]
