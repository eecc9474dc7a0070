#!/usr/bin/python3
"""The first process of the User Mode Linux that `linux.py` starts: mounts images, and fills or lists them.

Its root is the host's, with the rights of its caller; it writes to the folder of the corpus only, whose path is
its argument and where its tasks are.
"""

import json
import os
import subprocess
import sys
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import manifest  # noqa: E402
import udf  # noqa: E402

MODULES = ("drivers/cdrom/cdrom", "fs/isofs/isofs", "lib/crc-itu-t", "fs/udf/udf", "fs/nls/nls_utf8",
           "drivers/block/loop")
# In the guest's own file system of devices, so that no folder of the host is needed.
MOUNTED = "/dev/mounted"


def busybox(*words):
    result = subprocess.run(["/bin/busybox", *words], stderr=subprocess.PIPE)
    if result.returncode:
        raise OSError(f"{' '.join(words)}: {result.stderr.decode(errors='replace').strip()}")


def prepare():
    busybox("mount", "-t", "proc", "proc", "/proc")
    modules = f"/usr/lib/uml/modules/{os.uname().release}/kernel/"
    for module in MODULES:
        if os.path.exists(f"{modules}{module}.ko"):
            busybox("insmod", f"{modules}{module}.ko")


def perform(task):
    """Mounts one image. Fills it, or writes its manifest."""
    os.makedirs(MOUNTED, exist_ok=True)
    options = ["loop", "rw" if task["fill"] else "ro", *task["options"]]
    busybox("mount", "-t", task["type"], "-o", ",".join(options), task["image"], MOUNTED)
    try:
        if task["fill"]:
            udf.fill(MOUNTED, task["fill"])
        else:
            manifest.write(manifest.of_folder(MOUNTED), task["manifest"])
    finally:
        busybox("umount", "-d", MOUNTED)


def main(folder):
    with open(f"{folder}/tasks.json", encoding="utf-8") as file:
        tasks = json.load(file)
    prepare()
    with open(f"{folder}/linux.log", "w", encoding="utf-8") as log:
        for task in tasks:
            try:
                perform(task)
                outcome = "ok"
            except Exception:  # One image must not stop the others; the host reads the error.
                outcome = traceback.format_exc()
            log.write(json.dumps([task["id"], outcome]) + "\n")
            log.flush()


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    finally:
        os.sync()
        subprocess.run(["/bin/busybox", "poweroff", "-f"])
