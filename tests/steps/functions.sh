# shellcheck shell=bash
# The words in which the files of the steps are written. `check` reads all of them for their declarations, and
# starts a process for each chosen one, which calls its `run` in the folder of the repository.

declare -A told=()
: "${step:=}"

# What the step checks, for --help.
describe() { told[$step description]=$1; }

# Its time limit in seconds, so that nothing can hang.
limit() { told[$step limit]=$1; }

# Debian packages that it needs beyond Rust.
packages() { told[$step packages]+=" $*"; }

# It needs the result of another step, and waits for its end.
after() { told[$step after]=$1; }

# It leaves a core idle for long, so the steps after it run beside it.
beside_others() { told[$step beside]=yes; }

# Nothing runs beside it.
alone() { told[$step alone]=yes; }

# A declaration of a step, or nothing: `about STEP WORD`.
about() { echo "${told[$1 $2]-}"; }

# Cargo's arguments for all integration tests in a folder. With all tests named in one call, cargo uses one
# set of features for all crates and compiles nothing twice.
test_names() {
    local file
    for file in "$1"/*.rs "$1"/*/main.rs; do
        [[ -e $file ]] || continue
        file=${file%/main.rs}
        printf '%s\n' --test "$(basename "$file" .rs)"
    done
}

# Passes cargo's output on and fails when a test was ignored.
refuse_skipped() {
    awk '
        { print }
        /^test .*\.\.\. ignored/ { skipped = 1 }
        END { if (skipped) print "a test is skipped"; exit skipped }
    '
}
