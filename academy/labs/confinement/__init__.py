"""Confinement: what a learner's submission may read, write and use up, and who watches it.

    confinement = Confinement(readable=(pack / "data",), writable=(own_folder,), memory_gb=4, processes=64)
    child = nursery.run(…, confine=confinement)
    with Watch(child.root, confinement) as watch:
        child.wait(60)
    watch.exceeded          # "" or a sentence: which limit, and what was found
    unavailable()           # "" or why this machine cannot confine at all
    missing()               # sentences: which of the layers this machine lacks, and what that leaves open

The first of ``writable`` is the submission's own folder: HOME and TMPDIR lie in it. Python, the packages,
the system's libraries and the cache of built environments can be read without being named.
"""

from academy.labs.confinement.confine import Confinement
from academy.labs.confinement.machine import missing, unavailable
from academy.labs.confinement.watch import Watch

__all__ = ["Confinement", "Watch", "missing", "unavailable"]
