from __future__ import annotations

from explanans.deploy.batch.changes import Changes, compare


def test_what_was_added_changed_or_is_gone() -> None:
    before = {"a.jpg": 1, "b.jpg": 2, "c.jpg": 3}
    now = {"d.jpg": 4, "a.jpg": 1, "b.jpg": 5}
    assert compare(before, now) == Changes(added=("d.jpg",), changed=("b.jpg",), gone=("c.jpg",))
    assert not compare(before, before)
    assert compare({("x", 0): 1}, {("x", 1): 1}, lambda key: key[0]) == Changes(added=("x",), gone=("x",))


def test_in_words() -> None:
    many = tuple(f"{number}.jpg" for number in range(1234))
    said = str(Changes(added=many, gone=("bad\x1b[31m.jpg",)))
    assert said == r"1,234 added (0.jpg, 1.jpg, 2.jpg, …); 1 gone (bad\x1b[31m.jpg)"
