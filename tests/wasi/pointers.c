// Pointers that lead out of linear memory: every function that takes one says so.

#include "raw.h"
#include "test.h"

// Near the end of the address space, and far beyond this program's memory.
#define BAD 0xfffffff0u
// So that pointer plus length wraps around.
#define LARGE 0xffffff00u

static uint32_t fine;
static uint8_t buffer[256];

// Makes one of the calls; returns -1 if there is no such, and how many there are.
static int32_t call(int number, int *count) {
    const uint32_t path = ADDRESS("file"), out = ADDRESS(&fine), space = ADDRESS(buffer);
    static __wasi_iovec_t bad_vector = {(uint8_t *)BAD, 64};
    static __wasi_iovec_t long_vector;
    long_vector = (__wasi_iovec_t){buffer, LARGE};
    // A subscription to a clock, for now.
    static const uint8_t subscription[64];
    const uint32_t bad_vectors = ADDRESS(&bad_vector), long_vectors = ADDRESS(&long_vector);
    static fd_t fd = 0;
    if (fd == 0) {
        fd = OPEN_FILE("file", CREATE);
    }
    int next = 0;
#define CASE(call)                                                                                                     \
    if (next++ == number) {                                                                                            \
        return call;                                                                                                   \
    }
    CASE(raw_args_get(BAD, space));
    CASE(raw_args_get(space, BAD));
    CASE(raw_args_sizes_get(BAD, out));
    CASE(raw_args_sizes_get(out, BAD));
    CASE(raw_environ_get(BAD, space));
    CASE(raw_environ_get(space, BAD));
    CASE(raw_environ_sizes_get(BAD, out));
    CASE(raw_environ_sizes_get(out, BAD));
    CASE(raw_clock_res_get(0, BAD));
    CASE(raw_clock_time_get(0, 0, BAD));
    CASE(raw_random_get(BAD, 64));
    CASE(raw_random_get(space, LARGE));
    CASE(raw_fd_fdstat_get(fd, BAD));
    CASE(raw_fd_filestat_get(fd, BAD));
    CASE(raw_fd_prestat_get(ROOT, BAD));
    CASE(raw_fd_prestat_dir_name(ROOT, BAD, 64));
    CASE(raw_fd_seek(fd, 0, __WASI_WHENCE_CUR, BAD));
    CASE(raw_fd_tell(fd, BAD));
    CASE(raw_fd_readdir(ROOT, BAD, 64, 0, out));
    CASE(raw_fd_readdir(ROOT, space, LARGE, 0, out));
    CASE(raw_fd_readdir(ROOT, space, 64, 0, BAD));
    // The list of vectors, what a vector names, and the result.
    CASE(raw_fd_read(fd, BAD, 2, out));
    CASE(raw_fd_read(fd, space, LARGE, out));
    CASE(raw_fd_read(fd, bad_vectors, 1, out));
    CASE(raw_fd_read(fd, long_vectors, 1, out));
    CASE(raw_fd_read(fd, bad_vectors, 0, BAD));
    CASE(raw_fd_write(fd, BAD, 2, out));
    CASE(raw_fd_write(fd, bad_vectors, 1, out));
    CASE(raw_fd_write(fd, long_vectors, 1, out));
    CASE(raw_fd_write(fd, bad_vectors, 0, BAD));
    CASE(raw_fd_write(1, bad_vectors, 1, out));
    CASE(raw_fd_pread(fd, BAD, 2, 0, out));
    CASE(raw_fd_pread(fd, bad_vectors, 1, 0, out));
    CASE(raw_fd_pread(fd, bad_vectors, 0, 0, BAD));
    CASE(raw_fd_pwrite(fd, BAD, 2, 0, out));
    CASE(raw_fd_pwrite(fd, bad_vectors, 1, 0, out));
    CASE(raw_fd_pwrite(fd, bad_vectors, 0, 0, BAD));
    // Each path, and what is stored.
    CASE(raw_path_open(ROOT, 0, BAD, 64, 0, 0, 0, 0, out));
    CASE(raw_path_open(ROOT, 0, path, LARGE, 0, 0, 0, 0, out));
    CASE(raw_path_open(ROOT, 0, path, 4, 0, 0, 0, 0, BAD));
    CASE(raw_path_create_directory(ROOT, BAD, 64));
    CASE(raw_path_remove_directory(ROOT, BAD, 64));
    CASE(raw_path_unlink_file(ROOT, BAD, 64));
    CASE(raw_path_filestat_get(ROOT, 0, BAD, 64, space));
    CASE(raw_path_filestat_get(ROOT, 0, path, 4, BAD));
    CASE(raw_path_filestat_set_times(ROOT, 0, BAD, 64, 0, 0, 0));
    CASE(raw_path_link(ROOT, 0, BAD, 64, ROOT, path, 4));
    CASE(raw_path_link(ROOT, 0, path, 4, ROOT, BAD, 64));
    CASE(raw_path_rename(ROOT, BAD, 64, ROOT, path, 4));
    CASE(raw_path_rename(ROOT, path, 4, ROOT, BAD, 64));
    CASE(raw_path_symlink(BAD, 64, ROOT, path, 4));
    CASE(raw_path_symlink(path, 4, ROOT, BAD, 64));
    CASE(raw_path_readlink(ROOT, BAD, 64, space, 64, out));
    CASE(raw_path_readlink(ROOT, ADDRESS("link"), 4, BAD, 64, out));
    CASE(raw_path_readlink(ROOT, ADDRESS("link"), 4, space, 64, BAD));
    CASE(raw_poll_oneoff(BAD, space, 1, out));
    CASE(raw_poll_oneoff(ADDRESS(subscription), BAD, 1, out));
    CASE(raw_poll_oneoff(ADDRESS(subscription), space, LARGE, out));
    CASE(raw_poll_oneoff(ADDRESS(subscription), space, 1, BAD));
#undef CASE
    *count = next;
    return -1;
}

int main(void) {
    OK(__wasi_path_symlink("file", ROOT, "link"));
    int count = 0;
    (void)call(-1, &count);
    CHECK(count > 50);
    for (int number = 0; number < count; number++) {
        int32_t error = call(number, &count);
        if (error != __WASI_ERRNO_FAULT) {
            failed(__FILE_NAME__, __LINE__, "case ");
            put_number(2, (uint64_t)number);
            put(2, " returned ");
            put(2, error >= 0 ? errno_name((errno_t)error) : "nothing");
            put(2, "\n");
        }
    }
    return finish();
}
