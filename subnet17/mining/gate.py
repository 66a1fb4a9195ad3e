"""Keeps placeholder work off public networks, and pulls off while the servers can't do theirs.

The embedded generator makes simple shapes and the embedded scorer knows no networks: fit for a local
subnet, not for validators who pay for quality. Checked before a pull and again before every submit.
"""

from __future__ import annotations

from subnet17.mining.chain import ChainView
from subnet17.mining.servers import Servers
from subnet17.mining.tasks import Submission

EMBEDDED_BACKENDS = frozenset({"procedural", "embedded"})
EMBEDDED_SCORERS = frozenset({"embedded"})
HINT = "run the real one, or set [miner] allow_embedded_on_public_network = true"


class Gate:
    """Decides what may be pulled and submitted.

    Args:
        allow_embedded: The operator's explicit word that embedded results may go public.
    """

    def __init__(self, chain: ChainView, servers: Servers, *, allow_embedded: bool) -> None:
        self._chain = chain
        self._servers = servers
        self._allow_embedded = allow_embedded

    def reason_not_to_pull(self) -> str:
        """Why no task should be taken on now; empty when one may."""
        if trouble := self._servers.trouble:
            return trouble
        for pool, names in (
            (self._servers.generation, EMBEDDED_BACKENDS),
            (self._servers.validation, EMBEDDED_SCORERS),
        ):
            embedded = next((e for e in pool.endpoints if e.identity in names), None)
            if embedded is not None and (reason := self._reason(embedded.identity, names)):
                return f"{embedded.url}: {reason}"
        return ""

    def reason_not_to_submit(self, *, backend: str, scorer: str) -> str:
        """Why a result must stay here; empty when it may go."""
        return self._reason(backend, EMBEDDED_BACKENDS) or self._reason(scorer, EMBEDDED_SCORERS)

    def reason_to_withhold(self, submission: Submission) -> str:
        """The same for a submission; a skip carries no result and may always go."""
        if submission.is_skip:
            return ""
        return self.reason_not_to_submit(backend=submission.backend, scorer=submission.scorer)

    def _reason(self, name: str, embedded: frozenset[str]) -> str:
        if self._allow_embedded or name not in embedded or not self._chain.is_public:
            return ""
        return f"{name} is an embedded stand-in and the network is public: {HINT}"
