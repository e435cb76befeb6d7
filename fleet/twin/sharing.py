"""How a shared resource stretches a task as more devices use it: two laws that bound the truth from both sides.

n devices cycle between one resource, which serves one at a time for `shared` seconds a visit, and `private` seconds
elsewhere. Exact mean-value analysis (Reiser & Lavenberg 1980) takes visits as random, so devices wait for each other
early; the asymptotic law (operational analysis: X ≤ min(n / D, 1 / D_max), Zahorjan et al. 1982) takes them as
perfectly interleaved, so nobody waits until the resource is full. Real pipelines lie between the two.
"""

from __future__ import annotations

from collections.abc import Callable

SharingLaw = Callable[[float, float, int], float]
"""(shared, private, devices) → mean seconds of a visit with its waiting."""

_BISECTIONS = 60


def balanced_visit(shared: float, private: float, devices: int) -> float:
    """Seconds of a visit by exact mean-value analysis of one queue and a delay."""
    queue, visit = 0.0, shared
    for population in range(1, devices + 1):
        visit = shared * (1.0 + queue)
        queue = population * visit / (visit + private) if visit + private > 0 else 0.0
    return visit


def saturated_visit(shared: float, private: float, devices: int) -> float:
    """Seconds of a visit by the asymptotic law: no waiting until the resource is busy all the time."""
    return max(shared, devices * shared - private)


SHARING_LAWS: tuple[tuple[str, SharingLaw], ...] = (("queueing", balanced_visit), ("saturation", saturated_visit))


def service_time(law: SharingLaw, alone: float, shared: float, between: float, devices: int) -> float:
    """Seconds of a task with `devices` devices at work.

    `alone`: its seconds on one device, `shared` of them on the shared resource; `between`: what a device does between
    two such tasks (joins, claims), off the shared resource.
    """
    return alone - shared + law(shared, alone - shared + between, devices)


def shared_part(law: SharingLaw, alone: float, crowded: float, between: float, devices: int) -> float:
    """The seconds on the shared resource that explain `crowded` seconds with `devices` devices, 0 … `alone`.

    Inverts `service_time` by bisection; 0 where nothing was stretched.
    """
    if crowded <= alone:
        return 0.0
    low, high = 0.0, alone
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if service_time(law, alone, middle, between, devices) < crowded:
            low = middle
        else:
            high = middle
    return (low + high) / 2
