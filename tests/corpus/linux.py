"""Runs User Mode Linux (Debian's package user-mode-linux): a kernel as an ordinary process.

It needs no root and no loop device of the host, and has isofs and udf even where the host's kernel has not.
"""

import ctypes
import json
import os
import struct
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
KERNEL = "/usr/bin/linux.uml"
# On processors with AMX this kernel cannot set the extended registers of its processes. It falls back on the
# old ones when it cannot get the extended ones either; then AVX registers do not survive a page fault, and
# none may be used.
NO_AVX = {
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-AVX_Fast_Unaligned_Load",
    "OPENSSL_ia32cap": "~0x1000000000000000:~0x20",
}


def run(folder, tasks, seconds):
    """Has the guest perform tasks (see `guest.py`). Returns the outcome of each, by its id."""
    with open(f"{folder}/tasks.json", "w", encoding="utf-8") as file:
        json.dump(tasks, file)
    log = f"{folder}/linux.log"
    if os.path.exists(log):
        os.remove(log)
    command = [KERNEL, "mem=768M", "rootfstype=hostfs", "rw", "quiet", "con=null", "con0=fd:0,fd:1",
               f"uml_dir={folder}/uml/", *(f"{name}={value}" for name, value in NO_AVX.items()),
               f"init={HERE}/guest.py", "--", folder]
    with open(f"{folder}/console", "ab") as console:
        # A console that is not there, and a session of its own so that all its processes can be ended.
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=console, stderr=console, cwd=folder,
                                   preexec_fn=refuse_extended_registers, start_new_session=True)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            try:
                os.killpg(process.pid, 9)
            except ProcessLookupError:
                pass
            process.wait()
            process.stdin.close()
    outcomes = {}
    if os.path.exists(log):
        with open(log, encoding="utf-8") as file:
            outcomes = dict(map(json.loads, file))
    late = f"Linux did not get this far in {seconds} s, see {folder}/console"
    return {task["id"]: outcomes.get(task["id"], late) for task in tasks}


def refuse_extended_registers():
    """Makes PTRACE_GETREGSET and PTRACE_SETREGSET fail with EINVAL in this process and its children (seccomp)."""
    def instruction(code, if_true, if_false, value):
        return struct.pack("HBBI", code, if_true, if_false, value)
    load, equal, answer = 0x20, 0x15, 0x06
    program = b"".join((
        # The number of the call: is it ptrace(2) of x86-64?
        instruction(load, 0, 0, 0), instruction(equal, 0, 4, 101),
        # Its first argument: is it one of the two requests?
        instruction(load, 0, 0, 16), instruction(equal, 1, 0, 0x4204), instruction(equal, 0, 1, 0x4205),
        # EINVAL, or as always.
        instruction(answer, 0, 0, 0x0005_0000 | 22), instruction(answer, 0, 0, 0x7FFF_0000),
    ))
    buffer = ctypes.create_string_buffer(program, len(program))
    filter_ = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, set_seccomp, with_filter = 38, 22, 2
    if libc.prctl(no_new_privileges, 1, 0, 0, 0) or libc.prctl(set_seccomp, with_filter, filter_, 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")
