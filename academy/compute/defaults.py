"""The computes that Microsoft's public set-up scripts make, which public notebooks expect by name."""

from __future__ import annotations

from typing import Any

# Name → (size, most nodes), after the set-up scripts of Azure/azureml-examples.
_CLUSTERS = {
    "cpu-cluster": ("STANDARD_DS3_V2", 8),
    "gpu-cluster": ("STANDARD_NC6S_V3", 4),
    "batch-cluster": ("STANDARD_DS3_V2", 5),
    "aml-cluster": ("STANDARD_DS11_V2", 2),
}


def default_computes(location: str) -> dict[str, dict[str, Any]]:
    """Return the ARM documents of the computes that a new workspace comes with."""
    return {name: cluster(location, size, most) for name, (size, most) in _CLUSTERS.items()}


def cluster(location: str, size: str, max_nodes: int) -> dict[str, Any]:
    """Return the ARM document of a cluster that scales from none to ``max_nodes``."""
    scale = {"minNodeCount": 0, "maxNodeCount": max_nodes, "nodeIdleTimeBeforeScaleDown": "PT2M"}
    return {
        "location": location,
        "properties": {
            "computeType": "AmlCompute",
            "computeLocation": location,
            "provisioningState": "Succeeded",
            "isAttachedCompute": False,
            "disableLocalAuth": True,
            "properties": {
                "osType": "Linux",
                "vmSize": size,
                "vmPriority": "Dedicated",
                "scaleSettings": scale,
                "allocationState": "Steady",
                "currentNodeCount": 0,
                "targetNodeCount": 0,
                "remoteLoginPortPublicAccess": "NotSpecified",
                "enableNodePublicIp": True,
            },
        },
    }
