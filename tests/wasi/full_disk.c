// Writes to a disk on which there is no room: the second argument is the path, below the first preopen, of what is
// full (a device) or will be (a new file, with the first argument `fill`).

#include "test.h"

static uint8_t block[1 << 16];

int main(int argc, char **argv) {
    if (!CHECK(argc == 3)) {
        return finish();
    }
    fd_t fd = NO_FD;
    __wasi_size_t done;
    const bool fill = strcmp(argv[1], "fill") == 0;
    OK(try_open(ROOT, argv[2], fill ? CREATE : 0, RIGHT(FD_WRITE), &fd));
    __wasi_ciovec_t out = {block, sizeof block};
    errno_t error = __WASI_ERRNO_SUCCESS;
    uint64_t total = 0;
    while (error == __WASI_ERRNO_SUCCESS && total < 1ull << 30) {
        error = __wasi_fd_write(fd, &out, 1, &done);
        total += error == __WASI_ERRNO_SUCCESS ? done : 0;
    }
    CHECK(error == __WASI_ERRNO_NOSPC);
    CHECK(fill == (total > 0));
    FAILS(NOSPC, __wasi_fd_write(fd, &out, 1, &done));
    OK(__wasi_fd_close(fd));
    if (fill) {
        __wasi_filestat_t status;
        OK(__wasi_path_filestat_get(ROOT, 0, argv[2], &status));
        CHECK(status.size == total);
        // With room again, the program goes on.
        OK(__wasi_path_unlink_file(ROOT, argv[2]));
        OK(make_file("small", "small"));
        CHECK(has_text("small", "small"));
    }
    return finish();
}
