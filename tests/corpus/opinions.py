"""The files that 7z and xorriso unpack: each a further opinion on one tree of an image."""

import os
import shutil
import subprocess

import manifest
from makers import run

# How xorriso is told to read a tree.
READ = {"rockridge": "any", "joliet": "norock", "enhanced": "norock", "plain": "norock"}
# What is compared. Neither keeps all times and permissions, and Linux tells about those.
FIELDS = ("kind", "size", "sha256", "target")

# How 7z shows the images that a BIOS boots from.
EL_TORITO = "/[BOOT]"


def seven(image, tree, folder):
    """7z chooses the tree itself. Links to outside are refused by it, which is no error here."""
    del tree
    subprocess.run(["7z", "x", "-y", "-snld", "-bd", f"-o{folder}", image], stdin=subprocess.DEVNULL,
                   capture_output=True, env=dict(os.environ, LC_ALL="C.UTF-8"), timeout=120, check=False)


def xorriso(image, tree, folder):
    run("xorriso", "-no_rc", "-abort_on", "FATAL", "-osirrox", "on:auto_chmod_on", "-read_fs", READ[tree],
        "-indev", f"stdio:{image}", "-extract", "/", folder)


def ask(witness, image, tree, folder):
    """The manifest of what a program unpacks."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    {"7z": seven, "xorriso": xorriso}[witness](image, tree, folder)
    entries = {path: entry for path, entry in manifest.of_folder(folder).items() if not path.startswith(EL_TORITO)}
    for path, _, _ in os.walk(os.fsencode(folder)):
        os.chmod(path, 0o700)
    shutil.rmtree(folder)
    return manifest.folded(entries) if tree == "plain" else entries
