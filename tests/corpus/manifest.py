"""What a tree consists of, as a dictionary from path to Entry, and where two such trees differ.

The lines are those of the reader's example `manifest`, so all opinions come in one form.
"""

import hashlib
import os
import re
import stat
import threading
from typing import NamedTuple

# Bytes in printable ASCII that are escaped nevertheless, as Rust's escape_ascii does.
ESCAPES = {9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 39: "\\'", 92: "\\\\"}
# The fields in the order of a line; the path, their key, is not among them.
FIELDS = ("kind", "mode", "mtime", "size", "sha256", "target")
LOCAL = threading.local()
# In the place of a digest, whatever the reason.
UNREADABLE = "unreadable"


class Entry(NamedTuple):
    kind: str
    mode: str
    mtime: str
    size: str
    sha256: str
    target: str


class Difference(NamedTuple):
    path: str
    # One of FIELDS, or "missing" here, or "extra" here, or "refused": we read no such tree.
    field: str
    ours: str
    theirs: str


def escape(data):
    return "".join(ESCAPES.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}") for byte in data)


def digest(path):
    hash_ = hashlib.sha256()
    # One buffer a thread for all files: in the guest fresh memory costs far more than reading.
    if not hasattr(LOCAL, "buffer"):
        LOCAL.buffer = memoryview(bytearray(1 << 20))
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(LOCAL.buffer):
            hash_.update(LOCAL.buffer[:count])
    return hash_.hexdigest()


def of_folder(folder):
    """The tree below a folder, as the operating system shows it."""
    root = os.fsencode(folder)
    entries, waiting = {}, [b""]
    while waiting:
        inside = waiting.pop()
        full = root + inside
        status = os.lstat(full)
        kind, size, sha256, target = "?", "-", "-", "-"
        if stat.S_ISDIR(status.st_mode):
            kind = "d"
            waiting += [inside + b"/" + name for name in os.listdir(full)]
        elif stat.S_ISLNK(status.st_mode):
            kind, target = "l", escape(os.readlink(full))
        elif stat.S_ISREG(status.st_mode):
            kind, size = "f", str(status.st_size)
            try:
                sha256 = digest(full)
            except OSError:
                sha256 = UNREADABLE
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        entries[escape(inside or b"/")] = Entry(kind, mode, str(int(status.st_mtime // 1)), size, sha256, target)
    return entries


def write(entries, path):
    with open(path, "w", encoding="ascii") as file:
        for name, entry in sorted(entries.items()):
            file.write("\t".join([*entry[:5], name, entry.target]) + "\n")


def parse(text):
    entries = {}
    for line in text.splitlines():
        kind, mode, mtime, size, sha256, path, *target = line.split("\t")
        sha256 = sha256 if re.fullmatch("[0-9a-f]{64}|-", sha256) else UNREADABLE
        entries[path] = Entry(kind, mode, mtime, size, sha256, target[0] if target else "-")
    return entries


def differences(ours, theirs, fields=FIELDS):
    found = []
    for path in sorted(ours.keys() | theirs.keys()):
        if path not in ours:
            found.append(Difference(path, "missing", "-", theirs[path].kind))
        elif path not in theirs:
            found.append(Difference(path, "extra", ours[path].kind, "-"))
        else:
            pairs = ((field, getattr(ours[path], field), getattr(theirs[path], field)) for field in fields)
            found += [Difference(path, field, one, other) for field, one, other in pairs if one != other]
    return found


def folded(entries):
    """Names as those of bare ISO 9660 are served: in lower case, without version and final dot."""
    def fold(path):
        return "/".join(re.sub(r"\.?(;[0-9]+)?$", "", name.lower()) for name in path.split("/")) or "/"
    return {fold(path): entry for path, entry in entries.items()}
