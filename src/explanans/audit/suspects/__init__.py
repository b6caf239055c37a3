"""What is suspect about a classifier, each with a test: one kind in each file, ranked by what intervening does.

``same_place``: the same place in many photos. ``same_thing``: the same thing in any place. ``patterns``: fine lines all
over the photo. ``contexts``: no object needed, evidence outside of it. ``tints``: the photo's colours. ``lookalikes``:
cut-outs that all look the same. ``shared_evidence``: two classes with one evidence, receipts that do not hold.
``in_common`` and ``repeated_patches`` compare photos with each other, ``interventions`` asks the classifier, ``find``
puts it together.
"""

from explanans.audit.suspects.find import find_suspects
from explanans.audit.suspects.suspect import ACCUSED, Suspect, grid_of, ranked

__all__ = ["ACCUSED", "Suspect", "find_suspects", "grid_of", "ranked"]
