"""Write the software bill of materials (CycloneDX 1.6) of the locked runtime packages: `sbom.py FILE`."""

import json
import re
import sys
from pathlib import Path

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "runtime.txt"
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def read_lock(lock: Path = LOCK) -> dict[tuple[str, str], list[str]]:
    """Return the hashes of each locked package, by name and version."""
    packages: dict[tuple[str, str], list[str]] = {}
    hashes: list[str] = []
    for line in lock.read_text(encoding="utf-8").splitlines():
        if pinned := _PINNED.match(line):
            hashes = packages.setdefault((pinned[1], pinned[2]), [])
        hashes += _HASH.findall(line)
    return packages


def _component(name: str, version: str, hashes: list[str]) -> Component:
    page = XsUri(f"https://pypi.org/project/{name}/{version}/")
    files = [HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in hashes]
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        bom_ref=f"{name}=={version}",
        purl=PackageURL("pypi", name=name, version=version),
        external_references=[ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=page, hashes=files)],
    )


def write_sbom(version: str) -> str:
    """Return the document as JSON."""
    product = Component(type=ComponentType.APPLICATION, name="billing-admin", version=version, bom_ref="billing-admin")
    bom = Bom(components=[_component(*package, hashes) for package, hashes in read_lock().items()])
    bom.metadata.component = product
    bom.register_dependency(product, bom.components)
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2) + "\n"


if __name__ == "__main__":
    stated = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    target = Path(sys.argv[1])
    target.write_text(write_sbom(stated[1] if stated else ""), encoding="utf-8")
    print(f"{target}: {len(json.loads(target.read_text(encoding='utf-8'))['components'])} packages")
