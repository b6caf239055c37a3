from __future__ import annotations

from explanans.explanations.class_explanation import file_stem


def test_file_stems() -> None:
    names = ["a/b", "a\\b", "a b", "../../etc", "CON", "Dog", "dog", "", ".", "犬" * 200, "x\0y", "a:b*?"]
    stems = [file_stem(name, index) for index, name in enumerate(names)]
    assert len({stem.casefold() for stem in stems}) == len(names)
    assert file_stem("guide-dog", 7) == "guide-dog-7"
    for stem in stems:
        assert not set(stem) & set('/\\:*?"<>|\0. ')
        assert len(stem.encode()) < 120
