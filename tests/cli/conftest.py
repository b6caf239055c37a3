from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Help texts are kept in a cache; that of whoever runs the tests stays as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLANANS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
