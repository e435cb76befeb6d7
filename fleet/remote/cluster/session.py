"""The driver's part that knows Ray and the prover; imported by `driver` once Ray's settings are in place."""

from __future__ import annotations

import logging

import ray

from fleet.model.record import Observation
from fleet.model.wire import DriverConfig, TrialRequest
from fleet.remote.addresses import own_ip
from fleet.remote.cluster.expected import Expected
from fleet.remote.cluster.pool import AgentPool
from fleet.remote.cluster.pulse import Mail
from fleet.remote.cluster.trial import Cluster, TrialRun
from fleet.remote.mailbox import Say


def join(config: DriverConfig, head: str, mail: Mail, say: Say) -> Cluster:
    """Join the cluster as its driver. Raises what Ray does."""
    own = own_ip(config.head)
    ray.init(
        address=f"{own}:{config.gcs_port}",
        namespace=config.run,
        _node_ip_address=own,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    return Cluster(config=config, head=head, pool=AgentPool(config), expected=Expected(), mail=mail, say=say)


def run(request: TrialRequest, number: int, cluster: Cluster) -> Observation:
    """Run the `number`-th trial. Stopped where the controller wants the driver to end."""
    return TrialRun(request, number, cluster).run()


def leave() -> None:
    """Leave the cluster: its agents end."""
    ray.shutdown()
