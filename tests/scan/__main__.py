"""`make scan`: sqlmap on every call of the API and wapiti on the pages, against a served product with demo data.

Both come from PyPI into an environment of their own, which nothing else uses. sqlmap has a token for everything, wapiti is
signed in as an admin; the databases and the server are made for the scan. What each scanner asked stays in scan/.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from billing_admin import clock
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SCOPES, SYSTEM
from billing_admin.operations.access import tokens
from tests.browser.screenshots import demo
from tests.browser.server import ROOT, UNLIMITED, serving
from tests.people import PASSWORD

FOLDER: Final = ROOT / "scan"
PACKAGES: Final = {"sqlmap": "sqlmap==1.10.10", "wapiti": "wapiti3==3.2.3"}
# Without those that ask a server on the internet, know other products, or judge TLS and the cookies of HTTPS.
MODULES: Final = "backup,crlf,csp,csrf,exec,file,methods,permanentxss,redirect,sql,timesql,upload,xss"
# Pages of one folder differ by the id of their object alone.
MOST_PAGES_OF_A_FOLDER: Final = 10
FALSE_POSITIVE: Final = "false positive"


def main() -> int:
    """Print the findings of each scanner; the exit status is 0 only if there are none."""
    parser = argparse.ArgumentParser(prog="python -m tests.scan", description=__doc__)
    parser.add_argument("--only", choices=PACKAGES)
    parser.add_argument("--seconds", type=int, default=600, help="the longest time of a wapiti module (default: 600)")
    asked = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    findings = {}
    with demo() as (app, database_url), tempfile.TemporaryDirectory(prefix="scan-") as folder:
        token = str(transaction(tokens.create, "scan", tuple(SCOPES), actor=SYSTEM, now=clock.now())[1])
        headers = {"Authorization": f"Bearer {token}"}
        description = app.test_client().get("/api/v1/openapi.json", headers=headers).data
        with serving(database_url, 1, rate_limit_storage=f"{folder}/limits", **UNLIMITED) as home:
            if asked.only in {None, "sqlmap"}:
                findings["sqlmap"] = list(_run_sqlmap(home, token, description, Path(folder)))
            if asked.only in {None, "wapiti"}:
                findings["wapiti"] = list(_run_wapiti(home, asked.seconds, Path(folder)))
    for scanner, found in findings.items():
        print(f"{scanner}: {len(found)} findings", *found, sep="\n  ")
    return min(sum(map(len, findings.values())), 1)


def _run_sqlmap(home: str, token: str, description: bytes, folder: Path) -> Iterator[str]:
    """Yield the parameters of the API that let SQL in."""
    (folder / "openapi.json").write_bytes(description)
    results = FOLDER / "sqlmap.csv"
    results.unlink(missing_ok=True)  # sqlmap appends
    _run(
        "sqlmap",
        *("--batch", "--disable-coloring", "--ignore-code=*", "--dbms=SQLite", "--technique=BEU", "--threads=2"),
        *("--openapi", str(folder / "openapi.json"), "--openapi-base", home),
        *("--header", f"Authorization: Bearer {token}"),
        *("--output-dir", str(folder / "sqlmap"), "--results-file", str(results)),
    )
    with results.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["Technique(s)"] and FALSE_POSITIVE not in row["Note(s)"]:
                yield f"{row['Target URL']}: {row['Place']} {row['Parameter']} ({row['Technique(s)']})"


def _run_wapiti(home: str, seconds: int, folder: Path) -> Iterator[str]:
    """Yield the weaknesses of pages, and the requests that ended in a server error."""
    results = FOLDER / "wapiti.json"
    _run(
        "wapiti",
        *("--url", f"{home}/", "--scope", "domain", "--exclude", f"{home}/sign-out", "--no-bugreport"),
        *("--form-url", f"{home}/sign-in", "--form-user", "admin@example.com", "--form-password", PASSWORD),
        *("--module", MODULES, "--max-files-per-dir", str(MOST_PAGES_OF_A_FOLDER), "--max-links-per-page", "60"),
        *("--max-scan-time", str(seconds), "--max-attack-time", str(seconds)),
        *("--store-session", str(folder / "session"), "--store-config", str(folder / "config")),
        *("--format", "json", "--output", str(results)),
    )
    report = json.loads(results.read_text())
    for kind in ("vulnerabilities", "anomalies"):
        for category, found in report[kind].items():
            yield from (f"{category}: {one['method']} {one['path']}: {one['info']}" for one in found)


def _run(scanner: str, *options: str) -> None:
    """Run a scanner; its output goes into a file of its name."""
    uv = str(Path(sys.executable).with_name("uv"))
    command = [uv, "run", "--quiet", "--isolated", "--no-project", "--python", sys.executable]
    with (FOLDER / f"{scanner}.log").open("wb") as log:
        subprocess.run(
            [*command, "--with", PACKAGES[scanner], scanner, *options], check=True, stdout=log, stderr=subprocess.STDOUT
        )


if __name__ == "__main__":
    sys.exit(main())
