"""Which kinds of tasks can be scored with the networks that are here, and why not the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from subnet17.errors import UnavailableError
from subnet17.validation.scoring.reference.told import SWITCHED_OFF, Kind, not_offered


class Offer:
    """Knows of each network whether it can be used: by its files, later by what becomes of loading it.

    Args:
        kinds: The kinds of tasks that the settings ask for.
        needs: The networks that each kind takes, shared ones first.
        find: What is wrong with a network's files, empty text if nothing is; asked once, when first needed.
    """

    def __init__(
        self, kinds: Sequence[Kind], needs: Mapping[Kind, Sequence[str]], find: Callable[[str], str]
    ) -> None:
        self.kinds = kinds
        self._needs = needs
        self._find = find
        self._absent: dict[str, str] | None = None
        self._unusable: dict[str, str] = {}

    @property
    def wanted(self) -> list[str]:
        """The networks of all kinds, each once."""
        return list(dict.fromkeys(name for kind in self.kinds for name in self._needs[kind]))

    def is_of_use(self, name: str) -> bool:
        """Whether a kind that can be scored, as far as is known, takes this network."""
        missing = self.missing()
        return any(name in self._needs[kind] for kind in self.kinds if kind not in missing)

    def missing(self) -> dict[Kind, str]:
        """Of the kinds that are asked for, those that can't be scored, and why."""
        problems = self._problems
        told = {k: "; ".join(problems[n] for n in self._needs[k] if n in problems) for k in self.kinds}
        return {kind: why for kind, why in told.items() if why}

    def strike(self, name: str, why: str) -> None:
        """A network can't be used although its files are there."""
        self._unusable[name] = why

    def restore(self) -> None:
        """What was struck is to be tried again."""
        self._unusable.clear()

    def check(self, kind: Kind) -> None:
        """Raises `NotOfferedError` for a kind that is not asked for or can't be scored."""
        if why := SWITCHED_OFF if kind not in self.kinds else self.missing().get(kind):
            raise not_offered(kind, why)

    def check_any(self) -> None:
        """Raises `UnavailableError`, naming everything that is missing, if no kind can be scored."""
        if len(self.missing()) == len(self.kinds):
            raise UnavailableError(
                f"the reference scorer can't run: {'; '.join(self._problems.values())}"[:1000],
                missing=self._problems,
            )

    @property
    def _problems(self) -> dict[str, str]:
        """Network -> why it can't be used, of those that can't."""
        if self._absent is None:
            found = {name: self._find(name) for name in self.wanted}
            self._absent = {name: why for name, why in found.items() if why}
        return self._absent | self._unusable
