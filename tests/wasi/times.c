// fd_filestat_set_times and path_filestat_set_times.

#include "test.h"

#define SECOND 1000000000ull
#define ATIM __WASI_FSTFLAGS_ATIM
#define ATIM_NOW __WASI_FSTFLAGS_ATIM_NOW
#define MTIM __WASI_FSTFLAGS_MTIM
#define MTIM_NOW __WASI_FSTFLAGS_MTIM_NOW

static __wasi_filestat_t status_of(const char *path) {
    __wasi_filestat_t status = {0};
    OK(__wasi_path_filestat_get(ROOT, 0, path, &status));
    return status;
}

static uint64_t now(void) {
    __wasi_timestamp_t time = 0;
    OK(__wasi_clock_time_get(__WASI_CLOCKID_REALTIME, 1, &time));
    return time;
}

// Times of files may be as coarse as a tick of the kernel.
static bool is_recent(uint64_t time) {
    return time + 60 * SECOND > now() && time < now() + 60 * SECOND;
}

static void by_path(void) {
    OK(make_file("file", "file"));
    OK(__wasi_path_filestat_set_times(ROOT, 0, "file", 111 * SECOND + 5, 222 * SECOND + 7, ATIM | MTIM));
    __wasi_filestat_t status = status_of("file");
    CHECK(status.atim == 111 * SECOND + 5 && status.mtim == 222 * SECOND + 7);
    OK(__wasi_path_filestat_set_times(ROOT, 0, "file", 333 * SECOND, 999, ATIM));
    status = status_of("file");
    CHECK(status.atim == 333 * SECOND && status.mtim == 222 * SECOND + 7);
    OK(__wasi_path_filestat_set_times(ROOT, 0, "file", 999, 444 * SECOND, MTIM));
    status = status_of("file");
    CHECK(status.atim == 333 * SECOND && status.mtim == 444 * SECOND);
    OK(__wasi_path_filestat_set_times(ROOT, 0, "file", 1, 2, 0));
    status = status_of("file");
    CHECK(status.atim == 333 * SECOND && status.mtim == 444 * SECOND);
    OK(__wasi_path_filestat_set_times(ROOT, 0, "file", 1, 2, MTIM_NOW));
    status = status_of("file");
    CHECK(status.atim == 333 * SECOND && is_recent(status.mtim));
    OK(__wasi_path_filestat_set_times(ROOT, 0, "file", 0, 0, ATIM_NOW | MTIM));
    status = status_of("file");
    CHECK(is_recent(status.atim) && status.mtim == 0);
    CHECK(is_recent(status.ctim));

    FAILS(INVAL, __wasi_path_filestat_set_times(ROOT, 0, "file", 1, 2, ATIM | ATIM_NOW));
    FAILS(INVAL, __wasi_path_filestat_set_times(ROOT, 0, "file", 1, 2, MTIM | MTIM_NOW));
    FAILS(INVAL, __wasi_path_filestat_set_times(ROOT, 0, "file", 1, 2, 16));
    FAILS(INVAL, __wasi_path_filestat_set_times(ROOT, 2, "file", 1, 2, ATIM));
    FAILS(NOENT, __wasi_path_filestat_set_times(ROOT, 0, "missing", 1, 2, ATIM));
    FAILS(NOTDIR, __wasi_path_filestat_set_times(ROOT, 0, "file/", 1, 2, ATIM));
}

static void of_links(void) {
    OK(make_file("target", ""));
    OK(__wasi_path_symlink("target", ROOT, "link"));
    OK(__wasi_path_filestat_set_times(ROOT, FOLLOW, "link", 0, 5 * SECOND, MTIM));
    CHECK(status_of("target").mtim == 5 * SECOND);
    CHECK(status_of("link").mtim != 5 * SECOND);
    OK(__wasi_path_filestat_set_times(ROOT, 0, "link", 0, 6 * SECOND, MTIM));
    CHECK(status_of("target").mtim == 5 * SECOND);
    CHECK(status_of("link").mtim == 6 * SECOND);
    OK(__wasi_path_symlink("nowhere", ROOT, "dangling"));
    FAILS(NOENT, __wasi_path_filestat_set_times(ROOT, FOLLOW, "dangling", 0, 0, MTIM));
    OK(__wasi_path_filestat_set_times(ROOT, 0, "dangling", 0, 7 * SECOND, MTIM));
    CHECK(status_of("dangling").mtim == 7 * SECOND);
}

static void by_descriptor(void) {
    OK(make_file("open", "open"));
    fd_t fd = OPEN_FILE("open", 0);
    OK(__wasi_fd_filestat_set_times(fd, 10 * SECOND + 1, 20 * SECOND + 2, ATIM | MTIM));
    __wasi_filestat_t status;
    OK(__wasi_fd_filestat_get(fd, &status));
    CHECK(status.atim == 10 * SECOND + 1 && status.mtim == 20 * SECOND + 2);
    OK(__wasi_fd_filestat_set_times(fd, 0, 0, ATIM_NOW));
    OK(__wasi_fd_filestat_get(fd, &status));
    CHECK(is_recent(status.atim) && status.mtim == 20 * SECOND + 2);
    FAILS(INVAL, __wasi_fd_filestat_set_times(fd, 1, 2, ATIM | ATIM_NOW));
    FAILS(INVAL, __wasi_fd_filestat_set_times(fd, 1, 2, MTIM | MTIM_NOW));
    FAILS(INVAL, __wasi_fd_filestat_set_times(fd, 1, 2, 16));

    // Writing is a modification.
    __wasi_size_t written;
    OK(write_text(fd, "x", &written));
    OK(__wasi_fd_filestat_get(fd, &status));
    CHECK(is_recent(status.mtim));
    OK(__wasi_fd_close(fd));

    OK(__wasi_path_create_directory(ROOT, "folder"));
    fd = OPEN_DIRECTORY("folder");
    OK(__wasi_fd_filestat_set_times(fd, 30 * SECOND, 40 * SECOND, ATIM | MTIM));
    OK(__wasi_fd_filestat_get(fd, &status));
    CHECK(status.mtim == 40 * SECOND);
    OK(__wasi_fd_close(fd));
}

int main(void) {
    by_path();
    of_links();
    by_descriptor();
    return finish();
}
