"""Says what stands between this machine and mining, with the fix: `./setup_mining_environment.sh --check`.

Exit code: 0 all is well, 1 there are warnings, 2 there are errors. Changes nothing. Runs on the standard
library of Python 3.8 or newer, before setup.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from subnet17.ops.check_facts import gather
from subnet17.ops.findings import Aim, Finding, Severity, judge


def report(findings: Sequence[Finding]) -> str:
    """The findings as lines for a person."""
    marks = {Severity.OK: "ok", Severity.WARNING: "WARNING", Severity.ERROR: "ERROR"}
    lines = []
    for finding in findings:
        lines.append(f"{marks[finding.severity]:8}{finding.subject:13}{finding.found}")
        if finding.fix:
            lines.append(f"{'':21}-> {finding.fix}")
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    warnings = sum(finding.severity is Severity.WARNING for finding in findings)
    return "\n".join([*lines, f"{errors} errors, {warnings} warnings"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the report; gives the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--target", choices=("gpu", "cpu"), required=True)
    parser.add_argument(
        "--local", action="store_true", help="a local subnet: no wallet, nobody outside asked"
    )
    parser.add_argument("--dev", action="store_true", help="with what the tests need")
    parser.add_argument("--no-node", action="store_true", help="without PM2")
    parser.add_argument("--installed", action="store_true", help="the environment is up to date")
    given = parser.parse_args(arguments)
    aim = Aim(given.target, local=given.local, dev=given.dev, node=not given.no_node)
    findings = judge(gather(local=given.local, installed=given.installed), aim)
    sys.stdout.write(report(findings) + "\n")
    return max(finding.severity for finding in findings)


if __name__ == "__main__":
    sys.exit(main())
