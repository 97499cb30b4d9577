"""An OCI image archive with one layer, made without an engine: the same root gives the same bytes.

It is an image layout in a tar (`oci-archive:`), with the list beside it that `docker load` looks for."""

import gzip
import hashlib
import io
import json
import os
import stat
import tarfile
from datetime import datetime, timezone

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def timestamp(epoch):
    return datetime.fromtimestamp(epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _entry(name, epoch, mode=0o644, kind=tarfile.REGTYPE, size=0, link=""):
    entry = tarfile.TarInfo(name)
    entry.mtime, entry.mode, entry.type, entry.size, entry.linkname = epoch, mode, kind, size, link
    return entry


def _paths(root):
    for directory, names, files in os.walk(root):
        for name in names + files:
            yield os.path.relpath(os.path.join(directory, name), root)


def layer_of(root, epoch):
    """The tar of a root: everything root's own, in order, of one time, without a name of this machine."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(_paths(root)):
            full = os.path.join(root, path)
            mode = os.lstat(full).st_mode
            if stat.S_ISLNK(mode):
                tar.addfile(_entry(path, epoch, 0o777, tarfile.SYMTYPE, link=os.readlink(full)))
            elif stat.S_ISDIR(mode):
                tar.addfile(_entry(path, epoch, 0o755, tarfile.DIRTYPE))
            else:
                with open(full, "rb") as file:
                    data = file.read()
                tar.addfile(_entry(path, epoch, 0o755 if mode & 0o100 else 0o644, size=len(data)), io.BytesIO(data))
    return out.getvalue()


def _json(value):
    return json.dumps(value, indent=2, sort_keys=True).encode() + b"\n"


def _blob(files, media_type, data):
    digest = digest_of(data)
    files["blobs/" + digest.replace(":", "/")] = data
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def write(path, root, config, architecture, name, epoch):
    """Writes the archive of an image with this root and this configuration; returns the digest of its manifest."""
    files = {}
    tar = layer_of(root, epoch)
    layer = _blob(files, LAYER, gzip.compress(tar, 6, mtime=0))
    described = _blob(files, CONFIG, _json({
        "architecture": architecture, "os": "linux", "created": timestamp(epoch), "config": config,
        "rootfs": {"type": "layers", "diff_ids": [digest_of(tar)]},
        "history": [{"created": timestamp(epoch), "created_by": "server/image/build.py"}],
    }))  # fmt: skip
    manifest = _blob(files, MANIFEST, _json({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": [layer],
    }))  # fmt: skip
    tag = {"org.opencontainers.image.ref.name": name.partition(":")[2]}
    files["index.json"] = _json({"schemaVersion": 2, "manifests": [{**manifest, "annotations": tag}]})
    files["oci-layout"] = _json({"imageLayoutVersion": "1.0.0"})
    files["manifest.json"] = _json([{
        "Config": "blobs/" + described["digest"].replace(":", "/"), "RepoTags": [name],
        "Layers": ["blobs/" + layer["digest"].replace(":", "/")],
    }])  # fmt: skip
    with tarfile.open(path, mode="w", format=tarfile.GNU_FORMAT) as out:
        for file, data in sorted(files.items()):
            out.addfile(_entry(file, epoch, size=len(data)), io.BytesIO(data))
    return manifest["digest"]
