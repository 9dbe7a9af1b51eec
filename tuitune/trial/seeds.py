"""Seeds of the generators that all code in a process shares: of random, numpy and torch."""

from __future__ import annotations

import os
import random
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    Give = Callable[[Any, int], None]

AT_IMPORT = 0  # what training code draws as it is imported is the same in each process


def seed(number: int) -> None:
    """Seed the generators that are loaded now, and each other one when it is imported.

    A fork would repeat its parent's numbers, and a library that was imported after this could
    otherwise draw any.
    """
    random.seed(number)
    for finder in [found for found in sys.meta_path if isinstance(found, _Late)]:
        sys.meta_path.remove(finder)
    late: dict[str, Give] = {}
    for name, give in _GENERATORS.items():
        if (module := sys.modules.get(name)) is None:
            late[name] = give
        else:
            give(module, number)
    if late:
        sys.meta_path.insert(0, _Late(number, late))


class _Late:
    """Finds the modules that are to be seeded as the finders after it do, and seeds them once.

    Only in this process: a fork of it, such as a data loader's worker, must not draw the same.
    """

    def __init__(self, number: int, modules: Mapping[str, Give]) -> None:
        self._number = number
        self._modules = modules
        self._process = os.getpid()

    def find_spec(
        self, name: str, path: Iterable[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module that is to be seeded; None for all others."""
        if name not in self._modules or os.getpid() != self._process:
            return None
        for finder in sys.meta_path:
            find: Any = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if find is None else find(name, path, target)
            if spec is not None:
                self._seed_after(spec)
                return spec
        return None

    def _seed_after(self, spec: ModuleSpec) -> None:
        loader: Any = spec.loader
        execute = getattr(loader, "exec_module", None)
        if execute is None:  # a folder without code
            return
        give = self._modules[spec.name]

        def execute_and_seed(module: ModuleType) -> None:
            del loader.exec_module
            execute(module)
            give(module, self._number)

        loader.exec_module = execute_and_seed  # of this one loader; its class keeps its own


def _seed_numpy(module: Any, number: int) -> None:
    module.seed(number % 2**32)


def _seed_torch(torch: Any, number: int) -> None:
    """What torch.manual_seed does, without the millisecond it takes to look for devices.

    Seeding CUDA (or ROCm, under its name) is put off by torch until a device is used.
    """
    number %= 2**63
    if getattr(torch, "xpu", None) is not None and torch.xpu._is_compiled():  # noqa: SLF001
        torch.manual_seed(number)
        return
    torch.default_generator.manual_seed(number)
    if torch.cuda._is_compiled():  # noqa: SLF001
        torch.cuda.manual_seed_all(number)


_GENERATORS: dict[str, Give] = {"numpy.random": _seed_numpy, "torch": _seed_torch}
