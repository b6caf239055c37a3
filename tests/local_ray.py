"""A Ray cluster of processes on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

# Processes that share the machine with much else take their time to begin and to answer; none of them is dead for that,
# nor for the memory that others hold.
PATIENCE = {
    "worker_register_timeout_seconds": 600,
    "gcs_server_request_timeout_seconds": 600,
    "gcs_rpc_server_reconnect_timeout_s": 600,
    "health_check_initial_delay_ms": 600_000,
    "health_check_timeout_ms": 600_000,
    "memory_monitor_refresh_ms": 0,
}


@contextmanager
def local_ray() -> Iterator[None]:
    import ray

    ray.init(
        "local",
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=100 * 2**20,
        log_to_driver=False,
        _system_config=PATIENCE,
    )
    try:
        yield
    finally:
        ray.shutdown()
