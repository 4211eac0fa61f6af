"""What another Python, operating system or machine means."""

from __future__ import annotations

import re
from collections.abc import Iterator

from academy.migration.report import Area, Difference, End, Host, Severity, Subject, SubjectKind, gigabytes
from academy.migration.versions import Apart, apart, is_older, series

# They run on a GPU alone. Builds with CUDA of other packages (torch 2.5.0+cu124) run on the processor, too.
_GPU_ONLY = re.compile(r"(cupy|cudf|cuml|flash-attn)\b", re.I)
# What can have used the GPU of the machine where it was made.
_USES_GPU = re.compile(
    r"(torch|tensorflow|keras|jax|xgboost|lightgbm|catboost|onnxruntime|transformers|numba|cupy|cudf|cuml)\b",
    re.I,
)
_MUSL = re.compile(r"alpine", re.I)
_GB = 1_000_000_000
# A model takes more memory than its files: objects are larger, and it is read before it is built.
_MEMORY_FOR_FILES = 3


def differences(subject: Subject, origin: End, goal: End) -> Iterator[Difference]:
    """Yield what differs in Python, operating system and hardware."""
    if origin.python and goal.python:
        yield from _python(subject, origin.python, goal.python)
    yield from _system(origin.host, goal.host)
    yield from _size(subject, origin.host, goal.host)
    yield from _memory_for(subject, goal.host)
    yield from _gpus(subject, origin, goal)


def _python(subject: Subject, here: str, there: str) -> Iterator[Difference]:
    # A target file may say 3.10 and mean any of its releases.
    if here == there or (series(here) == series(there) and there.count(".") < 2):
        return
    far = apart("python", here, there)
    if far is Apart.PATCH:
        text = f"Python {here} becomes {there}: another patch release, which reads the same pickles."
        yield Difference(Area.PYTHON, "Python", here, there, Severity.NOTE, text)
        return
    pickled = subject.pickled
    if far is Apart.MAJOR:
        severity, why = Severity.BLOCKS, "another language, in which neither code nor pickles run as they are"
    elif pickled is not None and pickled.by_value:
        severity, why = (
            Severity.BLOCKS,
            (
                "the model holds code of its own, written by cloudpickle, which supports only the exact same "
                "version of Python (https://github.com/cloudpipe/cloudpickle)"
            ),
        )
    elif pickled is not None and pickled.format in ("pickle", "cloudpickle", "joblib"):
        severity, why = (
            Severity.RETEST,
            (
                "pickles that only name classes are read by other versions, code of one's own in them is "
                "not; the packages may have no wheels for it"
            ),
        )
    else:
        severity, why = Severity.RETEST, "code may use what the one has and the other has not"
    yield Difference(
        Area.PYTHON,
        "Python",
        here,
        there,
        severity,
        f"Python {here} becomes {there}: {why}.",
        f"Use Python {series(here)} at the goal, or make it again with {series(there)}.",
        needed=True,
    )


def _system(here: Host, there: Host) -> Iterator[Difference]:
    if here.system and there.system and here.system.lower() != there.system.lower():
        yield Difference(
            Area.SYSTEM,
            "operating system",
            here.system,
            there.system,
            Severity.RETEST,
            f"{here.system} becomes {there.system}: other wheels of every compiled package, other paths, "
            "other line ends.",
            f"Install the packages on {there.system} and score the sample there.",
        )
    elif here.distribution and there.distribution and here.distribution != there.distribution:
        yield _distribution(here.distribution, there.distribution)
    if here.architecture and there.architecture and _arch(here.architecture) != _arch(there.architecture):
        yield Difference(
            Area.SYSTEM,
            "architecture",
            here.architecture,
            there.architecture,
            Severity.RETEST,
            f"{here.architecture} becomes {there.architecture}: other wheels, which not all packages have, "
            "and the last digits of results may differ.",
            f"Install the packages on {there.architecture} and score the sample there.",
        )


def _distribution(here: str, there: str) -> Difference:
    other_libc = bool(_MUSL.search(there)) is not bool(_MUSL.search(here))
    text = (
        f"{here} becomes {there}: Alpine has another C library (musl), for which few packages have wheels."
        if other_libc
        else f"{here} becomes {there}: wheels bring their libraries along; what was installed with the "
        "system's own packages has to be installed there, too."
    )
    severity = Severity.RETEST if other_libc else Severity.NOTE
    step = "Install the packages there and score the sample." if other_libc else ""
    return Difference(Area.SYSTEM, "distribution", here, there, severity, text, step)


def _size(subject: Subject, here: Host, there: Host) -> Iterator[Difference]:
    for name, one, two in (
        ("cores", here.cores, there.cores),
        ("memory", here.memory_bytes, there.memory_bytes),
    ):
        if one is None or two is None:
            continue
        was, is_now = (f"{gigabytes(value)} GB" if name == "memory" else str(value) for value in (one, two))
        if was == is_now:
            continue
        # Whether a model fits is said by its own size.
        less = two < one and not (name == "memory" and subject.size_bytes is not None)
        text = f"{name.capitalize()}: {was} become {is_now}."
        step = _MEASURE[subject.kind] if less else ""
        severity = Severity.RETEST if less else Severity.NOTE
        yield Difference(Area.HARDWARE, name, was, is_now, severity, text, step)


_MEASURE = {
    SubjectKind.MODEL: "Measure how long an answer takes there under the load that will come.",
    SubjectKind.JOB: "Run the job there, and look at how long it takes and how much memory it needs.",
    SubjectKind.ENVIRONMENT: "Run there what uses it, and look at how long it takes.",
}


def _memory_for(subject: Subject, there: Host) -> Iterator[Difference]:
    size, memory = subject.size_bytes, there.memory_bytes
    if size is None or memory is None or size * _MEMORY_FOR_FILES < memory:
        return
    severity = Severity.BLOCKS if size > memory else Severity.RETEST
    text = f"The model's files are {size / _GB:.1f} GB, and the memory there is {memory / _GB:.1f} GB."
    yield Difference(
        Area.HARDWARE, "memory for the model", None, f"{gigabytes(memory)} GB", severity, text,
        "Choose a machine with more memory.", needed=True,
    )  # fmt: skip


def _gpus(subject: Subject, origin: End, goal: End) -> Iterator[Difference]:
    wanted = next((line for line in subject.requirements if _GPU_ONLY.match(line)), None)
    here, there = origin.host.gpus, goal.host.gpus
    # What asks for nothing by name may ask for any of them.
    may_use = not subject.requirements or any(_USES_GPU.match(line) for line in subject.requirements)
    if wanted and there == ():
        text = f"{wanted} runs on a GPU, and there is none."
        yield Difference(
            Area.HARDWARE, "GPU", "needed", "none", Severity.BLOCKS, text,
            "Choose a machine with a GPU, or a package that runs on the processor.", needed=True,
        )  # fmt: skip
    elif not may_use:
        return
    elif here and there == () and subject.kind is not SubjectKind.ENVIRONMENT:
        text = (
            f"It was made on a machine with {here[0].name}, and there is no GPU: what was saved on one has "
            "to be loaded on the processor (in PyTorch with map_location='cpu'), and is slower."
        )
        step = f"Try it without a GPU. {_MEASURE[subject.kind]}"
        yield Difference(Area.HARDWARE, "GPU", here[0].name, "none", Severity.RETEST, text, step)
    elif here and there and here[0].driver and there[0].driver and is_older(there[0].driver, here[0].driver):
        text = (
            f"The GPU's driver {here[0].driver} becomes {there[0].driver}: an older one may not run the "
            "same CUDA."
        )
        yield Difference(
            Area.HARDWARE, "GPU driver", here[0].driver, there[0].driver, Severity.RETEST, text,
            "Update the driver, or score the sample there.",
        )  # fmt: skip


def _arch(name: str) -> str:
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(name.lower(), name.lower())
