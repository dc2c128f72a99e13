"""Build .venv from a hash-locked list: `python3 requirements/install.py runtime|dev`.

Needs Python 3.11 or newer and nothing else. Does nothing when .venv already holds what the locks say; `dev` holds all
of `runtime`. When a lock has changed, or the folder has moved, .venv is built anew, so that nothing stale stays in it.
"""

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

if sys.version_info < (3, 11):
    sys.exit(
        "billing-admin needs Python 3.11 or newer, and this is %d.%d. Name a newer one: make install PYTHON=python3.12"
        % sys.version_info[:2]
    )

LOCKS = Path(__file__).resolve().parent
VENV = LOCKS.parent / ".venv"
STAMP = VENV / ".installed"  # written last, so that an interrupted install counts as none


def fingerprint() -> str:
    """What .venv was built from and for: both locks, this Python and this folder."""
    digest = hashlib.sha256("{} {}".format(sys.version, VENV).encode())
    for lock in ("runtime.txt", "dev.txt"):
        digest.update((LOCKS / lock).read_bytes())
    return digest.hexdigest()


def install(wanted: str) -> None:
    current = fingerprint()
    stamp = STAMP.read_text().split() if STAMP.exists() else []
    held = stamp[0] if stamp[1:] == [current] else None
    if held in (wanted, "dev"):
        return
    if held is None and VENV.is_symlink():
        sys.exit(".venv is a link to another folder's environment: install there.")
    if held is None:
        print("Building .venv", flush=True)
        venv.create(VENV, clear=True, with_pip=True)
    print("Installing requirements/{}.txt, checked by hash".format(wanted), flush=True)
    scripts = VENV / ("Scripts" if sys.platform == "win32" else "bin")
    pip = [str(scripts / "python"), "-m", "pip", "--disable-pip-version-check", "-qq", "install"]
    # The lock is complete, so nothing is left to resolve; Python compiles what it imports by itself, which is quicker.
    subprocess.run(
        [*pip, "--require-hashes", "--no-deps", "--no-compile", "-r", str(LOCKS / (wanted + ".txt"))], check=True
    )
    STAMP.write_text("{} {}\n".format(wanted, current))


if __name__ == "__main__":
    install(sys.argv[1])
