"""What the setup script says when something fails, on a machine made of stand-ins."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from subnet17.settings import PROJECT_ROOT

CONFLICT = "ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/"
PYTHON = f"""#!/bin/bash
case "$*" in
    *"pip --version"*) ;;
    *"pip install"*) echo "{CONFLICT}" >&2; exit 1 ;;
    *) exit 3 ;;
esac
"""
DF = "#!/bin/bash\necho 'Filesystem 1024-blocks Used Available'\necho '/dev/x 9 0 999999999'\n"


def put(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script)
    path.chmod(0o755)


def test_packages_that_cannot_be_fetched_are_told_as_such(tmp_path: Path) -> None:
    root = tmp_path / "project"
    (root / "scripts").mkdir(parents=True)
    names = ["requirements.txt", "requirements-gpu.txt", "requirements-dev.txt", "package.json"]
    for name in ["setup_mining_environment.sh", "scripts/environment.sh", *names]:
        shutil.copy2(PROJECT_ROOT / name, root / name)
    put(root / ".venv" / "bin" / "python", PYTHON)
    put(tmp_path / "bin" / "df", DF)
    ended = subprocess.run(
        ["/bin/bash", str(root / "setup_mining_environment.sh"), "--cpu", "--dev", "--no-node"],
        env={"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    conflict, told = ended.stderr.splitlines()
    assert (ended.returncode, conflict) == (1, CONFLICT)
    assert "out of reach (network" in told
    assert not (root / ".tools" / "installed").exists()
