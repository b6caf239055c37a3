from __future__ import annotations

from explanans.audit.intervals import Effect
from explanans.audit.suspects import Suspect, ranked


def suspect(name: str, photos: int, low: float, accusable: bool = False) -> Suspect:
    effect = Effect(0, 60, 0, 60, low, low, 1.0)
    return Suspect("look-alike", name, photos, 70, "", effect, "", accusable, [])


def test_much_in_few_photos_stands_behind_a_little_less_in_half_of_them() -> None:
    few, half, weak = suspect("few", 4, 0.9), suspect("half", 35, 0.7), suspect("weak", 70, 0.04)
    # 4/70 · 0.9 = 0.051, 35/70 · 0.7 = 0.35, 70/70 · 0.04 = 0.04.
    assert [each.name for each in ranked([weak, few, half])] == ["half", "few", "weak"]


def test_accusations_come_first_and_what_has_no_effect_last() -> None:
    none, less = suspect("none", 70, -0.1), suspect("less", 4, -0.5, accusable=True)
    accused, half = suspect("accused", 3, 0.06, accusable=True), suspect("half", 35, 0.7)
    found = ranked([less, none, half, accused])
    assert [each.name for each in found][:2] == ["accused", "half"]
    assert [each.verdict for each in found] == ["accused", "suspected", "not confirmed", "not confirmed"]
