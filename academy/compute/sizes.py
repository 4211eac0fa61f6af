"""Azure's virtual machine sizes that public Azure ML examples name.

Source: the size tables of https://learn.microsoft.com/azure/virtual-machines/sizes/overview.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from academy.errors import InvalidField


@dataclass(frozen=True)
class Size:
    """One size: cores, memory in GB, GPUs, and the local disk in GB."""

    name: str
    family: str
    cores: int
    memory_gb: float
    gpus: int
    disk_gb: int


_TABLE = """
STANDARD_A1_V2 standardAv2Family 1 2 0 10
STANDARD_A2_V2 standardAv2Family 2 4 0 20
STANDARD_A4_V2 standardAv2Family 4 8 0 40
STANDARD_D1_V2 standardDv2Family 1 3.5 0 50
STANDARD_D2_V2 standardDv2Family 2 7 0 100
STANDARD_D3_V2 standardDv2Family 4 14 0 200
STANDARD_D11_V2 standardDv2Family 2 14 0 100
STANDARD_D12_V2 standardDv2Family 4 28 0 200
STANDARD_D13_V2 standardDv2Family 8 56 0 400
STANDARD_D14_V2 standardDv2Family 16 112 0 800
STANDARD_DS1_V2 standardDSv2Family 1 3.5 0 7
STANDARD_DS2_V2 standardDSv2Family 2 7 0 14
STANDARD_DS3_V2 standardDSv2Family 4 14 0 28
STANDARD_DS4_V2 standardDSv2Family 8 28 0 56
STANDARD_DS5_V2 standardDSv2Family 16 56 0 112
STANDARD_DS11_V2 standardDSv2Family 2 14 0 28
STANDARD_DS12_V2 standardDSv2Family 4 28 0 56
STANDARD_DS13_V2 standardDSv2Family 8 56 0 112
STANDARD_DS14_V2 standardDSv2Family 16 112 0 224
STANDARD_D2S_V3 standardDSv3Family 2 8 0 16
STANDARD_D4S_V3 standardDSv3Family 4 16 0 32
STANDARD_D8S_V3 standardDSv3Family 8 32 0 64
STANDARD_D2AS_V4 standardDASv4Family 2 8 0 16
STANDARD_D4AS_V4 standardDASv4Family 4 16 0 32
STANDARD_D2_V3 standardDv3Family 2 8 0 50
STANDARD_D4_V3 standardDv3Family 4 16 0 100
STANDARD_E2S_V3 standardESv3Family 2 16 0 32
STANDARD_E4S_V3 standardESv3Family 4 32 0 64
STANDARD_E4DS_V4 standardEDSv4Family 4 32 0 150
STANDARD_E8S_V3 standardESv3Family 8 64 0 128
STANDARD_F2S_V2 standardFSv2Family 2 4 0 16
STANDARD_F4S_V2 standardFSv2Family 4 8 0 32
STANDARD_F8S_V2 standardFSv2Family 8 16 0 64
STANDARD_F16S_V2 standardFSv2Family 16 32 0 128
STANDARD_NC6 standardNCFamily 6 56 1 340
STANDARD_NC12 standardNCFamily 12 112 2 680
STANDARD_NC6S_V3 standardNCSv3Family 6 112 1 736
STANDARD_NC12S_V3 standardNCSv3Family 12 224 2 1474
STANDARD_NC24S_V3 standardNCSv3Family 24 448 4 2948
STANDARD_NC24RS_V3 standardNCSv3Family 24 448 4 2948
STANDARD_NC4AS_T4_V3 standardNCASv3_T4Family 4 28 1 180
STANDARD_NC8AS_T4_V3 standardNCASv3_T4Family 8 56 1 360
STANDARD_NC16AS_T4_V3 standardNCASv3_T4Family 16 110 1 360
STANDARD_NC64AS_T4_V3 standardNCASv3_T4Family 64 440 4 2880
STANDARD_NC24ADS_A100_V4 standardNCADSA100v4Family 24 220 1 958
STANDARD_NC48ADS_A100_V4 standardNCADSA100v4Family 48 440 2 1916
STANDARD_NC96ADS_A100_V4 standardNCADSA100v4Family 96 880 4 2872
STANDARD_ND40RS_V2 standardNDv2Family 40 672 8 2948
STANDARD_ND96ASR_V4 standardNDASv4_A100Family 96 900 8 6000
"""


def _read(row: str) -> Size:
    name, family, cores, memory, gpus, disk = row.split()
    return Size(name, family, int(cores), float(memory), int(gpus), int(disk))


SIZES = {size.name: size for size in map(_read, _TABLE.split("\n")[1:-1])}


def find_size(name: str) -> Size:
    """Return the size of that name, whatever its case.

    Raises
    ------
    InvalidField
        When there is no such size; the message names the nearest ones.
    """
    size = SIZES.get(name.upper())
    if size is None:
        near = difflib.get_close_matches(name.upper(), SIZES, n=3, cutoff=0.5) or ["STANDARD_DS3_V2"]
        raise InvalidField(
            f"There is no virtual machine size {name!r}. Near it: {', '.join(near)}. "
            "ml_client.compute.list_sizes() shows all.",
            target="properties.properties.vmSize",
        )
    return size
