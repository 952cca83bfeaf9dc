#!/usr/bin/env bash
# Builds the committed components under guests/components from the guest crates beside this script.
#
#   guests/build.sh            rebuild all and replace the committed files
#   guests/build.sh NAME...    rebuild only these
#   guests/build.sh --check    rebuild all into a temporary directory and compare; exit 1 and name what differs
#
# A guest is every guests/calibrator-*, guests/generator-* and guests/constraint-* crate. The bytes are the same from any clone
# path: source paths are remapped, and the guest profile leaves nothing else that depends on the machine.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
target=wasm32-unknown-unknown

require_target() {
    local sysroot
    sysroot=$(rustc --print sysroot)
    [ -d "$sysroot/lib/rustlib/$target" ] && return
    echo "build.sh: the $target target is not installed; running: rustup target add $target" >&2
    rustup target add "$target" || {
        echo "build.sh: could not install it. Run 'rustup target add $target' and try again." >&2
        exit 2
    }
}

guest_names() {
    local manifest
    for manifest in guests/{calibrator,generator,constraint}-*/Cargo.toml; do
        [ -e "$manifest" ] && basename "$(dirname "$manifest")"
    done
    return 0
}

# One cargo call per guest: in a shared one, the features of one guest's dependencies would leak into another's bytes.
build_guest() { # name, output directory
    RUSTFLAGS="-Ctarget-feature=+simd128 --remap-path-prefix=$root=/paddock --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo --remap-path-prefix=$(rustc --print sysroot)=/rust" \
        cargo build --quiet --locked --profile guest --target "$target" --package "$1" --lib
    "${CARGO_TARGET_DIR:-$root/target}/release/componentize" "${CARGO_TARGET_DIR:-target}/$target/guest/${1//-/_}.wasm" "$2/$1.wasm"
}

check=false
if [ "${1:-}" = --check ]; then
    check=true
    shift
fi
names=("$@")
[ ${#names[@]} -gt 0 ] || mapfile -t names < <(guest_names)

require_target
cargo build --quiet --locked --release --package componentize
output=guests/components
if $check; then
    output=$(mktemp -d)
    trap 'rm -rf "$output"' EXIT
fi
mkdir -p "$output"

differing=()
for name in "${names[@]}"; do
    build_guest "$name" "$output"
    if $check && ! cmp -s "$output/$name.wasm" "guests/components/$name.wasm"; then
        differing+=("$name")
    fi
done
if [ ${#differing[@]} -gt 0 ]; then
    echo "build.sh: the committed components differ from a fresh build: ${differing[*]}" >&2
    exit 1
fi
