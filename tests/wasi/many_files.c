// Opens files until the number in its first argument or until there are no more descriptors, which must be an error
// like any other. Says `open`, and in the end how many they were.

#include "test.h"

static fd_t open_files[100000];

int main(int argc, char **argv) {
    int wanted = 0, count = 0;
    for (const char *digit = argc == 2 ? argv[1] : ""; *digit; digit++) {
        wanted = wanted * 10 + (*digit - '0');
    }
    CHECK(wanted > 0 && wanted <= 100000);
    OK(make_file("file", "file"));
    errno_t error = __WASI_ERRNO_SUCCESS;
    while (count < wanted) {
        error = try_open(ROOT, "file", 0, RIGHT(FD_READ), &open_files[count]);
        if (error != __WASI_ERRNO_SUCCESS) {
            break;
        }
        count++;
    }
    CHECK(error == __WASI_ERRNO_SUCCESS || error == __WASI_ERRNO_MFILE || error == __WASI_ERRNO_NFILE);
    // The host looks how it fares with all of these open.
    put(1, "open\n");
    // The last is as good as the first.
    char buffer[4];
    __wasi_size_t done;
    CHECK(count > 0);
    OK(read_bytes(open_files[count - 1], buffer, 4, &done));
    CHECK(done == 4 && memcmp(buffer, "file", 4) == 0);
    for (int i = 0; i < count; i++) {
        OK(__wasi_fd_close(open_files[i]));
    }
    // And all can be had again.
    CHECK(has_text("file", "file"));
    put_number(1, (uint64_t)count);
    put(1, "\n");
    return finish();
}
