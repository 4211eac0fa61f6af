"""The values of a notebook whose kernel is another process, which may lie but cannot reach in here.

A value that is plain data comes as a copy of exact types. Anything else stays in the kernel, and comes
as a ``RemoteObject``: its attributes, items and calls are asked for one by one, and it equals nothing
but itself, whatever its class says over there.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from academy.errors import AcademyError
from academy.labs.checks import NotYet
from academy.labs.grading.conversation import KernelLost
from academy.labs.grading.plain import Node, dumps, expect, loads
from academy.labs.grading.tables import decoder, encoder

# Evaluated in the kernel, where `question` is base64.
_EXPRESSION = "__import__('academy.labs.grading.inside', fromlist=['answer']).answer(globals(), '{question}')"

_STOPPED = "Look for a loop that does not end."

_NAME = re.compile(r"[^\W\d]\w{0,79}")
# Those that a test may want to catch, and that take one message.
_BUILTIN = {
    kind.__name__: kind
    for kind in (
        *(ArithmeticError, AssertionError, AttributeError, FileNotFoundError, FileExistsError, ImportError),
        *(IndexError, KeyError, LookupError, ModuleNotFoundError, NameError, NotADirectoryError),
        *(NotImplementedError, OSError, OverflowError, PermissionError, RuntimeError, TypeError, ValueError),
        *(RecursionError, ZeroDivisionError),
    )
}


class RemoteError(Exception):
    """The learner's code raised; the class has the name of what it raised there."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class NoAnswer(NotYet):
    """The notebook's kernel did not give a value: it took too long, ended, or sent what cannot be read."""


class Asked(Protocol):
    """A kernel that can be asked: one that lives, or one that is started anew when it must be."""

    def ask(self, expression: str, limit_s: float) -> str:
        """Evaluate an expression; see ``Conversation.ask``."""


class RemoteValues:
    """``Values`` of a kernel, for at most ``limit_s`` in all; what is asked for later is out of time.

    ``trouble`` says, in words, what kept it from answering.
    """

    def __init__(self, kernel: Asked, limit_s: float) -> None:
        self._kernel, self._limit_s = kernel, limit_s
        self.trouble = ""
        self._until = time.monotonic() + limit_s

    def get(self, name: str) -> Any:
        return self.ask({"do": "get", "name": name})

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return self.invoke({"name": name}, args, kwargs)

    def invoke(self, target: Mapping[str, str], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call what ``target`` names, with arguments that are plain data or objects of the kernel's."""
        send = encoder(_name_of).encode
        return self.ask({"do": "call", **target, "args": send(args), "kwargs": send(kwargs)})

    def ask(self, question: Mapping[str, Node]) -> Any:
        """Ask one question and return the value.

        Raises
        ------
        KeyError
            The notebook has no such name.
        RemoteError
            The learner's code raised; the class is also that of Python's own of the name.
        NoAnswer
            It did not end in time, or the kernel gave no valid answer.
        """
        left = self._until - time.monotonic()
        if left <= 0:
            raise self.late()
        try:
            text = self._kernel.ask(_EXPRESSION.format(question=dumps(question)), left)
            answer = expect(loads(text), dict)
            if "error" not in answer:
                return decoder(self._object).decode(answer.get("value"))
            raised = self._raised(answer["error"], str(question.get("name", "")))
        except TimeoutError:
            raise self.late() from None
        except KernelLost as error:
            self.trouble = self.trouble or error.message
            raise NoAnswer("the notebook to answer", error.message, _STOPPED) from None
        except (ValueError, AcademyError) as error:
            found = f"what cannot be read: {error}"
            raise NoAnswer("a value of plain data, of moderate size", found) from None
        raise raised

    def late(self) -> NoAnswer:
        """Return what to raise when the time is over."""
        self.trouble = self.trouble or f"time: the notebook did not answer within {self._limit_s:.0f} s"
        return NoAnswer(f"the notebook to answer within {self._limit_s:.0f} seconds", "no answer", _STOPPED)

    def _object(self, node: Node) -> RemoteObject:
        parts = [expect(expect(node, dict).get(key), str) for key in ("held", "type", "text")]
        return RemoteObject(self, *(part[:500] for part in parts))

    def _raised(self, node: Node, name: str) -> Exception:
        kinds = [expect(kind, str) for kind in expect(expect(node, dict).get("kinds"), list)]
        message = expect(node.get("message"), str)[:4000]
        if node.get("missing") is True:
            return KeyError(name)
        if "TooLarge" in kinds[:1]:
            return NoAnswer("a value of plain data, of moderate size", message)
        return _exception(kinds, message)


class RemoteObject:
    """A value that stays in the learner's kernel. It equals nothing but itself."""

    def __init__(self, values: RemoteValues, held: str, kind: str, text: str) -> None:
        self._values, self._held, self._kind, self._text = values, held, kind, text

    def __repr__(self) -> str:
        return self._text

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)  # what Python itself looks for is not asked for over there
        return self._values.ask({"do": "attribute", "held": self._held, "attribute": name})

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._values.invoke({"held": self._held}, args, kwargs)

    def __getitem__(self, key: Any) -> Any:
        return self._values.ask(
            {"do": "item", "held": self._held, "key": encoder(_name_of).encode(key)},
        )

    def __len__(self) -> int:
        return int(expect(self._values.ask({"do": "length", "held": self._held}), int))

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        return iter(expect(self._values.ask({"do": "items", "held": self._held}), list))


def _name_of(value: Any) -> Node:
    if isinstance(value, RemoteObject):
        return {"object": {"held": value._held}}
    raise TypeError(f"A value of the type {type(value).__name__} cannot be passed to the learner's code.")


def _exception(kinds: list[str], message: str) -> Exception:
    """Return an exception of a class made here: named as over there, and caught as Python's own is."""
    known = next((_BUILTIN[kind] for kind in kinds if kind in _BUILTIN), None)
    name = kinds[0] if kinds and _NAME.fullmatch(kinds[0]) else "Error"
    bases: tuple[type, ...] = (RemoteError, known) if known else (RemoteError,)
    made: Callable[[str], Exception] = type(name, bases, {})
    return made(message)
