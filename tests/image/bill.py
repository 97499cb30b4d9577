"""What SPDX 2.3 asks of a document in JSON, as far as it is ours to break."""

import re

DOCUMENT_FIELDS = {"spdxVersion", "dataLicense", "SPDXID", "name", "documentNamespace", "creationInfo", "packages",
                   "relationships"}  # fmt: skip
PACKAGE_FIELDS = {"SPDXID", "name", "versionInfo", "supplier", "downloadLocation", "filesAnalyzed", "licenseConcluded",
                  "licenseDeclared", "copyrightText", "externalRefs"}  # fmt: skip
OPTIONAL_PACKAGE_FIELDS = {"homepage", "licenseComments", "sourceInfo", "checksums", "primaryPackagePurpose"}
RELATIONS = {"DESCRIBES", "CONTAINS", "STATIC_LINK", "BUILD_DEPENDENCY_OF"}
# Those that our expressions may use.
LICENSE_IDS = {
    "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "FSFAP", "GPL-2.0-only", "GPL-2.0-or-later",
    "GPL-3.0-only", "GPL-3.0-or-later", "ISC", "LGPL-2.0-only", "LGPL-2.0-or-later", "LGPL-2.1-only",
    "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later", "MIT", "MPL-2.0", "OLDAP-2.8", "PostgreSQL", "Zlib",
}  # fmt: skip
EXPRESSION = re.compile(r"\(?[A-Za-z0-9.-]+\)?(?: (?:AND|OR) \(?[A-Za-z0-9.-]+\)?)*")


def _of_package(package):
    name = package.get("name")
    if missing := PACKAGE_FIELDS.difference(package):
        yield f"{name} lacks {', '.join(sorted(missing))}"
        return
    if unknown := set(package).difference(PACKAGE_FIELDS, OPTIONAL_PACKAGE_FIELDS):
        yield f"{name} has {', '.join(sorted(unknown))}, which SPDX does not know"
    if not package["versionInfo"]:
        yield f"{name} has no version"
    if not re.fullmatch(r"(?:Person|Organization): [^<>()]+(?:\([^()]*\) ?)*", package["supplier"]):
        yield f"{name} is supplied by '{package['supplier']}'"
    license_name = package["licenseDeclared"]
    if license_name != "NOASSERTION":
        words = set(re.findall(r"[A-Za-z0-9.-]+", license_name)).difference({"AND", "OR"})
        if not EXPRESSION.fullmatch(license_name) or not words <= LICENSE_IDS:
            yield f"{name} has '{license_name}', which is no expression of SPDX"
    for reference in package["externalRefs"]:
        if set(reference) != {"referenceCategory", "referenceType", "referenceLocator"}:
            yield f"{name} has a reference that is none: {reference}"
        elif not re.fullmatch(r"pkg:(?:deb/debian|oci|generic)/[^@\s+]+@[^@\s+?]+(?:\?[^\s+]*)?",
                              reference["referenceLocator"]):  # fmt: skip
            yield f"{name} has a package URL that is none: {reference['referenceLocator']}"


def mistakes(document):
    """What is wrong with the document, a sentence each."""
    if missing := DOCUMENT_FIELDS.symmetric_difference(document):
        yield f"the document lacks, or has beyond SPDX: {', '.join(sorted(missing))}"
        return
    if document["spdxVersion"] != "SPDX-2.3" or document["dataLicense"] != "CC0-1.0":
        yield "it is not SPDX 2.3 under CC0-1.0"
    if not re.fullmatch(r"https://[^#\s]+", document["documentNamespace"]):
        yield f"its namespace is no URI without a fragment: {document['documentNamespace']}"
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", document["creationInfo"].get("created", "")):
        yield "it does not say when it was made"
    if not all(re.match(r"(?:Tool|Person|Organization): ", who) for who in document["creationInfo"]["creators"]):
        yield "it does not say who made it"
    identities = [document["SPDXID"], *(package.get("SPDXID", "") for package in document["packages"])]
    for identity in identities:
        if not re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", identity):
            yield f"'{identity}' is no identifier"
        if identities.count(identity) > 1:
            yield f"'{identity}' is there more than once"
    for relation in document["relationships"]:
        ends = {relation["spdxElementId"], relation["relatedSpdxElement"]}
        if relation["relationshipType"] not in RELATIONS or not ends <= set(identities):
            yield f"a relationship leads nowhere: {relation}"
    for package in document["packages"]:
        yield from _of_package(package)


def related(document, kind):
    """The names of the packages on either end of the relationships of this kind."""
    names = {package["SPDXID"]: package["name"] for package in document["packages"]}
    return {
        names[end]
        for relation in document["relationships"] if relation["relationshipType"] == kind
        for end in (relation["spdxElementId"], relation["relatedSpdxElement"]) if end in names
    }  # fmt: skip
