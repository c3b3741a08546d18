#!/bin/sh
# Clang, told to optimize, shifts the sign out of products of 16-bit numbers that are summed up in 64 bits.
#
# Expected: `(uint64_t)((int64_t)a * b) >> 16` of two `int16_t` is defined for all values, and its sum is the same at every level
# of optimization.
#
# Seen: in a loop that is vectorized for x86-64, LLVM's code generator takes the upper 16 bits of a product of 16 bits, and extends
# them by zeros. Bits 16 to 47 of each summand are lost where the product is negative. The program below prints 18014398509481920
# with -O0 and 4194240 with -O2.
#
# Versions, on 2026-12-01: clang 21.1.0, in the package ziglang 0.16.0; so do clang 20.1.2 (ziglang 0.15.2), clang 22.1.8 (0.17.1), and, on the same
# loop in safe Rust with `-O -Ctarget-cpu=x86-64-v2`, rustc 1.95.0 (LLVM 22.1.2).
#
# Needs: Python 3 with venv, an x86-64 Linux, the network for one package. Exits with 0 while clang behaves so.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export ZIG_GLOBAL_CACHE_DIR="$folder/cache"

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'ziglang==0.16.0'

cat > "$folder/sum.c" <<'PROGRAM'
#include <stdint.h>
#include <stdio.h>

enum { COUNT = 64 };

__attribute__((noinline)) static uint64_t sum(const int16_t *a, const int16_t *b, int count) {
    uint64_t sum = 0;
    for (int i = 0; i < count; i++)
        sum += (uint64_t)((int64_t)a[i] * b[i]) >> 16;
    return sum;
}

int main(void) {
    int16_t a[COUNT], b[COUNT];
    for (int i = 0; i < COUNT; i++) {
        a[i] = -3;
        b[i] = 5;
    }
    printf("%llu\n", (unsigned long long)sum(a, b, COUNT));
}
PROGRAM

compiled_with() {
    "$folder/venv/bin/python" -m ziglang cc -mcpu=x86_64_v3 "$1" \
        "$folder/sum.c" -o "$folder/sum"
    "$folder/sum"
}

"$folder/venv/bin/python" -m ziglang cc --version | head -n 1
plain=$(compiled_with -O0)
optimized=$(compiled_with -O2)
echo "-O0: $plain"
echo "-O2: $optimized"
test "$plain" = 18014398509481920
test "$optimized" = 4194240
echo "clang loses the signs of shifted products."
