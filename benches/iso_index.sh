#!/bin/bash
# Time and memory to index an image of 100,000 files, beside `isoinfo -l` on the same image.
# Usage: benches/iso_index.sh [ROUNDS]. Needs xorriso and genisoimage.
set -euo pipefail
rounds=${1:-7}
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cargo build --quiet --release -p iso-reader --example index_cost
ours=${CARGO_TARGET_DIR:-target}/release/examples/index_cost

# 1,000 directories of 100 files, named like the packages of an installer disc.
for directory in $(seq -f %04g 0 999); do
    mkdir "$work/source-$directory" && (cd "$work/source-$directory" &&
        touch $(seq -f "package-name-$directory-%02g.el9.x86_64.rpm" 0 99))
done
mkdir "$work/source" && mv "$work"/source-* "$work/source"
xorriso -as mkisofs -quiet -R -J -o "$work/image.iso" "$work/source" 2>"$work/log" || { cat "$work/log"; exit 1; }

# Milliseconds that a command takes, process start and exit included.
time_of() {
    local start=$EPOCHREALTIME
    "$@" >"$work/output"
    local end=$EPOCHREALTIME
    awk -v start="$start" -v end="$end" 'BEGIN { printf "%.1f\n", (end - start) * 1000 }'
}
median() {
    sort -n "$1" | awk '{ line[NR] = $1 } END { print line[int((NR + 1) / 2)] }'
}

for round in $(seq 0 "$rounds"); do
    process=$(time_of "$ours" "$work/image.iso")
    read -r index entries per_entry before after <"$work/output"
    isoinfo=$(time_of isoinfo -l -i "$work/image.iso")
    # The first round only warms the page cache.
    [ "$round" -gt 0 ] || continue
    echo "round $round: index $index ms, whole process $process ms; isoinfo -l $isoinfo ms"
    echo "$index" >>"$work/index"
    echo "$process" >>"$work/process"
    echo "$isoinfo" >>"$work/isoinfo"
done
index=$(median "$work/index")
process=$(median "$work/process")
isoinfo=$(median "$work/isoinfo")
awk -v index_ms="$index" -v process="$process" -v isoinfo="$isoinfo" -v entries="$entries" \
    -v per_entry="$per_entry" -v peak=$((after - before)) 'BEGIN {
    printf "medians: index %.1f ms, whole process %.1f ms, isoinfo -l %.1f ms (ratio %.2f)\n",
        index_ms, process, isoinfo, process / isoinfo
    printf "%d entries, %.1f bytes an entry, %.1f MiB; peak while building %.1f MiB\n",
        entries, per_entry, entries * per_entry / 1048576, peak / 1024
}'
