// fd_filestat_get, fd_filestat_set_size, fd_allocate, fd_advise, fd_sync, fd_datasync.

#include "raw.h"
#include "test.h"

static uint64_t size_of(fd_t fd) {
    __wasi_filestat_t status;
    OK(__wasi_fd_filestat_get(fd, &status));
    return status.size;
}

static void tells_what_a_file_is(void) {
    OK(make_file("file", "12345"));
    fd_t fd = OPEN_FILE("file", 0);
    __wasi_filestat_t status, by_path, other;
    OK(__wasi_fd_filestat_get(fd, &status));
    CHECK(status.filetype == __WASI_FILETYPE_REGULAR_FILE);
    CHECK(status.size == 5 && status.nlink == 1 && status.ino != 0);
    CHECK(status.mtim > 0 && status.ctim > 0 && status.atim > 0);
    OK(__wasi_path_filestat_get(ROOT, 0, "file", &by_path));
    CHECK(by_path.ino == status.ino && by_path.dev == status.dev && by_path.size == 5);
    CHECK(by_path.filetype == status.filetype && by_path.mtim == status.mtim);
    OK(make_file("other", ""));
    OK(__wasi_path_filestat_get(ROOT, 0, "other", &other));
    CHECK(other.ino != status.ino && other.dev == status.dev);
    OK(__wasi_fd_filestat_get(ROOT, &status));
    CHECK(status.filetype == __WASI_FILETYPE_DIRECTORY);
    FAILS(NOENT, __wasi_path_filestat_get(ROOT, 0, "missing", &status));
    FAILS(NOTDIR, __wasi_path_filestat_get(ROOT, 0, "file/below", &status));
    FAILS(NOTDIR, __wasi_path_filestat_get(ROOT, 0, "file/", &status));
    CHECK(raw_path_filestat_get(ROOT, 2, ADDRESS("file"), 4, ADDRESS(&status)) == __WASI_ERRNO_INVAL);

    // An open file outlives its name.
    OK(__wasi_path_unlink_file(ROOT, "file"));
    OK(__wasi_fd_filestat_get(fd, &status));
    CHECK(status.nlink == 0 && status.size == 5);
    OK(__wasi_fd_close(fd));
}

static void sets_sizes(void) {
    OK(make_file("sized", "12345"));
    fd_t fd = OPEN_FILE("sized", 0);
    OK(__wasi_fd_filestat_set_size(fd, 2));
    CHECK(has_text("sized", "12"));
    OK(__wasi_fd_filestat_set_size(fd, 5));
    uint8_t buffer[8];
    __wasi_size_t done;
    OK(read_bytes_at(fd, buffer, sizeof buffer, 0, &done));
    CHECK(done == 5 && memcmp(buffer, "12\0\0\0", 5) == 0);
    FAILS_EITHER(INVAL, FBIG, __wasi_fd_filestat_set_size(fd, 1ull << 63));
    CHECK(size_of(fd) == 5);
    OK(__wasi_fd_filestat_set_size(fd, 0));
    CHECK(size_of(fd) == 0);
    OK(__wasi_fd_close(fd));
    // A directory has the size that it has.
    errno_t error = __wasi_fd_filestat_set_size(ROOT, 0);
    CHECK(error == __WASI_ERRNO_BADF || error == __WASI_ERRNO_ISDIR || error == __WASI_ERRNO_INVAL ||
          error == __WASI_ERRNO_NOTCAPABLE);
}

static void allocates(void) {
    OK(make_file("allocated", "12345"));
    fd_t fd = OPEN_FILE("allocated", 0);
    OK(__wasi_fd_allocate(fd, 0, 3));
    CHECK(size_of(fd) == 5);
    OK(__wasi_fd_allocate(fd, 4, 100));
    CHECK(size_of(fd) == 104);
    uint8_t buffer[8];
    __wasi_size_t done;
    OK(read_bytes_at(fd, buffer, 8, 0, &done));
    CHECK(done == 8 && memcmp(buffer, "12345\0\0\0", 8) == 0);
    FAILS(INVAL, __wasi_fd_allocate(fd, 0, 0));
    FAILS_EITHER(INVAL, FBIG, __wasi_fd_allocate(fd, INT64_MAX, 10));
    FAILS_EITHER(INVAL, FBIG, __wasi_fd_allocate(fd, ~0ull, 1));
    CHECK(size_of(fd) == 104);
    OK(__wasi_fd_close(fd));
    FAILS_ANY(BADF, ISDIR, NOTCAPABLE, __wasi_fd_allocate(ROOT, 0, 1));
}

static void takes_advice(void) {
    OK(make_file("advised", "12345"));
    fd_t fd = OPEN_FILE("advised", 0);
    for (__wasi_advice_t advice = __WASI_ADVICE_NORMAL; advice <= __WASI_ADVICE_NOREUSE; advice++) {
        OK(__wasi_fd_advise(fd, 0, 5, advice));
        OK(__wasi_fd_advise(fd, 2, 0, advice));
    }
    CHECK(raw_fd_advise(fd, 0, 5, 6) == __WASI_ERRNO_INVAL);
    CHECK(has_text("advised", "12345"));
    OK(__wasi_fd_sync(fd));
    OK(__wasi_fd_datasync(fd));
    OK(__wasi_fd_close(fd));
}

static void writes_through(void) {
    const __wasi_fdflags_t flags[] = {__WASI_FDFLAGS_DSYNC, __WASI_FDFLAGS_SYNC,
                                      __WASI_FDFLAGS_SYNC | __WASI_FDFLAGS_RSYNC};
    for (int i = 0; i < 3; i++) {
        fd_t fd = NO_FD;
        errno_t error =
            __wasi_path_open(ROOT, 0, "through", CREATE | TRUNCATE, FILE_RIGHTS, FILE_RIGHTS, flags[i], &fd);
        // A system may not have a kind of synchronization, but then it has to say so.
        if (error == __WASI_ERRNO_NOTSUP) {
            continue;
        }
        CHECK(error == __WASI_ERRNO_SUCCESS);
        __wasi_size_t done;
        OK(write_text(fd, "through", &done));
        CHECK(has_text("through", "through"));
        OK(__wasi_fd_close(fd));
    }
}

int main(void) {
    tells_what_a_file_is();
    sets_sizes();
    allocates();
    takes_advice();
    writes_through();
    return finish();
}
