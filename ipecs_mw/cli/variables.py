"""Environment variables that are not meant for us although their names are ours."""

import os
import re

# Kubernetes sets NAME_PORT=tcp://10.96.0.7:8743 for a service `name`, as container links did
_LINK = re.compile(r"(tcp|udp|sctp)://\S+:\d+")
_PREFIX = "IPECS_MW_"


def drop_cluster_variables() -> None:
    """Take the variables of our prefix that tell the address of a service out of this process's environment."""
    for name, value in list(os.environ.items()):
        if name.startswith(_PREFIX) and _LINK.fullmatch(value):
            del os.environ[name]
