"""The bill of materials of the image: SPDX 2.3 in JSON."""

import re
import uuid
from urllib.parse import quote

import debian
from archive import timestamp

DOCUMENTS = uuid.UUID("6f2f7a0e-5a3c-5c56-9a41-54a3a8b7b0d1")
NONE = "NOASSERTION"


def _id(*words):
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", "-".join(words))


def _purl(package, distribution):
    return (f"pkg:deb/debian/{quote(package.name)}@{quote(package.version)}"
            f"?arch={package.architecture}&distro={distribution}")  # fmt: skip


def _supplier(maintainer):
    """A maintainer of Debian, as SPDX writes people and groups."""
    match = re.fullmatch(r"(.*?)\s*<(.*)>", maintainer)
    name, address = match.groups() if match else (maintainer, "")
    group = re.search(r"(?i)team|maintainers|group|packag|lists\.|tracker\.", maintainer)
    return f"{'Organization' if group else 'Person'}: {name}" + (f" ({address})" if address else "")


def _package(identity, name, version, supplier, license_name, purl, more=None):
    return {
        "SPDXID": identity, "name": name, "versionInfo": version, "supplier": supplier, "downloadLocation": NONE,
        "filesAnalyzed": False, "licenseConcluded": NONE, "licenseDeclared": license_name or NONE,
        "copyrightText": NONE,
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}],
        **(more or {}),
    }  # fmt: skip


def _of_debian(package, distribution):
    names = debian.license_names(package)
    more = {"sourceInfo": f"built by Debian from the source package {package.source}"}
    if re.match(r"https?://", package.homepage):
        more["homepage"] = package.homepage
    if names:
        more["licenseComments"] = "debian/copyright names: " + "; ".join(names)
    return _package(_id("Debian", package.name, package.architecture), package.name, package.version,
                    _supplier(package.maintainer), debian.spdx_expression(names), _purl(package, distribution),
                    more)  # fmt: skip


def document(image, distribution, held, linked, compiled):
    """The document. `image` is name, version, digest, license and epoch; the others are the packages that are in the
    image, in the programs as archives, and in them as headers."""
    name, version = image["name"], image["version"]
    whole, vigil = _id("Image"), _id("Vigil")
    packages = [
        _package(whole, f"{name} (image)", version, "Organization: Vigil", None,
                 f"pkg:oci/{name}@{quote(image['digest'], safe='')}?tag={version}",
                 {"primaryPackagePurpose": "CONTAINER",
                  "checksums": [{"algorithm": "SHA256", "checksumValue": image["digest"].partition(":")[2]}]}),
        _package(vigil, name, version, "Organization: Vigil", image["license"], f"pkg:generic/{name}@{version}",
                 {"primaryPackagePurpose": "APPLICATION"}),
    ]  # fmt: skip
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", whole), (whole, "CONTAINS", vigil)]
    for package in sorted({*held, *linked, *compiled}):
        described = _of_debian(package, distribution)
        packages.append(described)
        if package in held:
            relations.append((whole, "CONTAINS", described["SPDXID"]))
        if package in linked:
            relations.append((vigil, "STATIC_LINK", described["SPDXID"]))
        elif package in compiled:
            relations.append((described["SPDXID"], "BUILD_DEPENDENCY_OF", vigil))
    return {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"{name}-{version}",
        "documentNamespace": f"https://spdx.org/spdxdocs/{name}-{version}-{uuid.uuid5(DOCUMENTS, image['digest'])}",
        "creationInfo": {"created": timestamp(image["epoch"]), "creators": [f"Tool: {name}-image-{version}"]},
        "packages": packages,
        "relationships": [
            {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
            for one, kind, other in relations],
    }  # fmt: skip
