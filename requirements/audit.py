"""Ask the package registry for known vulnerabilities in the locked packages.

Exit codes: 0 none is known, 1 not checked because the service did not answer, 2 at least one is known.
"""

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parent / "runtime.txt"
NOT_CHECKED, VULNERABLE = 1, 2
COMMAND = ("-m", "pip_audit", "--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json")


def audit(lock: Path = LOCK) -> int:
    """Print what is known about the packages of a lock, and return the exit code."""
    result = subprocess.run(
        [sys.executable, *COMMAND, "--requirement", str(lock)], capture_output=True, text=True, check=False
    )
    try:
        packages = json.loads(result.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = (result.stderr.strip().splitlines() or ["no answer"])[-1]
        print(f"not checked: the vulnerability service did not answer ({reason[:300]})")
        return NOT_CHECKED
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    known = [(package, item) for package in packages for item in package.get("vulns", ())]
    for package, item in known:
        print(
            f"{package['name']} {package['version']}: {item['id']}, fixed in {', '.join(item['fix_versions']) or '-'}"
        )
    if known:
        return VULNERABLE
    if skipped or not packages:
        print(f"not checked: the service did not answer for {len(skipped)} of {len(packages)} packages")
        return NOT_CHECKED
    print(f"No known vulnerabilities in {len(packages)} packages.")
    return 0


if __name__ == "__main__":
    sys.exit(audit())
