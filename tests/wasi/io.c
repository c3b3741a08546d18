// fd_read, fd_write, fd_pread, fd_pwrite, fd_seek, fd_tell and appending.

#include "test.h"

static uint64_t position_of(fd_t fd) {
    __wasi_filesize_t position = ~0ull;
    OK(__wasi_fd_tell(fd, &position));
    return position;
}

static void scatters_and_gathers(void) {
    fd_t fd = OPEN_FILE("vectors", CREATE);
    __wasi_ciovec_t out[] = {
        {(const uint8_t *)"one ", 4}, {(const uint8_t *)"", 0}, {(const uint8_t *)"two ", 4}, {(const uint8_t *)"three", 5}};
    __wasi_size_t done = 99;
    OK(__wasi_fd_write(fd, out, 0, &done));
    CHECK(done == 0);
    OK(__wasi_fd_write(fd, out, 4, &done));
    CHECK(done > 0 && done <= 13);
    // Fewer bytes than asked for are allowed: write the rest.
    __wasi_size_t more;
    OK(write_text(fd, &"one two three"[done], &more));
    CHECK(done + more == 13);
    CHECK(position_of(fd) == 13);
    CHECK(has_text("vectors", "one two three"));

    uint8_t first[3], second[20];
    memset(second, '?', sizeof second);
    __wasi_iovec_t in[] = {{first, sizeof first}, {first, 0}, {second, sizeof second}};
    __wasi_filesize_t position;
    OK(__wasi_fd_seek(fd, 0, __WASI_WHENCE_SET, &position));
    OK(__wasi_fd_read(fd, in, 0, &done));
    CHECK(done == 0 && position_of(fd) == 0);
    OK(__wasi_fd_read(fd, in, 3, &done));
    CHECK(done >= 3 && memcmp(first, "one", 3) == 0);
    if (done > 3) {
        CHECK(memcmp(second, " two three", done - 3) == 0 && second[done - 3] == '?');
    }
    CHECK(position_of(fd) == done);
    OK(__wasi_fd_seek(fd, 0, __WASI_WHENCE_END, &position));
    OK(read_bytes(fd, second, sizeof second, &done));
    CHECK(done == 0);

    // More vectors than an operating system takes at once.
    static __wasi_ciovec_t many[3000];
    for (int i = 0; i < 3000; i++) {
        many[i] = (__wasi_ciovec_t){(const uint8_t *)"x", 1};
    }
    errno_t error = __wasi_fd_write(fd, many, 3000, &done);
    CHECK(error == __WASI_ERRNO_INVAL || (error == __WASI_ERRNO_SUCCESS && done > 0 && done <= 3000));
    OK(__wasi_fd_close(fd));
}

static void reads_and_writes_at_offsets(void) {
    fd_t fd = OPEN_FILE("offsets", CREATE);
    __wasi_ciovec_t out[] = {{(const uint8_t *)"ab", 2}, {(const uint8_t *)"cd", 2}};
    __wasi_size_t done;
    OK(__wasi_fd_pwrite(fd, out, 1, 4, &done));
    CHECK(done == 2);
    OK(__wasi_fd_pwrite(fd, out + 1, 1, 0, &done));
    CHECK(done == 2);
    CHECK(position_of(fd) == 0);
    uint8_t buffer[16];
    OK(read_bytes_at(fd, buffer, sizeof buffer, 0, &done));
    CHECK(done == 6 && memcmp(buffer, "cd\0\0ab", 6) == 0);
    OK(read_bytes_at(fd, buffer, sizeof buffer, 5, &done));
    CHECK(done == 1 && buffer[0] == 'b');
    OK(read_bytes_at(fd, buffer, sizeof buffer, 6, &done));
    CHECK(done == 0);
    OK(read_bytes_at(fd, buffer, sizeof buffer, 1ull << 40, &done));
    CHECK(done == 0);
    OK(__wasi_fd_pread(fd, 0, 0, 0, &done));
    CHECK(done == 0);
    CHECK(position_of(fd) == 0);
    FAILS(INVAL, read_bytes_at(fd, buffer, sizeof buffer, 1ull << 63, &done));
    FAILS_EITHER(INVAL, FBIG, __wasi_fd_pwrite(fd, out, 1, ~0ull, &done));
    OK(__wasi_fd_close(fd));
}

static void moves(void) {
    OK(make_file("moves", "0123456789"));
    fd_t fd = OPEN_FILE("moves", 0);
    __wasi_filesize_t position;
    OK(__wasi_fd_seek(fd, 4, __WASI_WHENCE_SET, &position));
    CHECK(position == 4);
    OK(__wasi_fd_seek(fd, -1, __WASI_WHENCE_CUR, &position));
    CHECK(position == 3 && position_of(fd) == 3);
    OK(__wasi_fd_seek(fd, 0, __WASI_WHENCE_CUR, &position));
    CHECK(position == 3);
    OK(__wasi_fd_seek(fd, -2, __WASI_WHENCE_END, &position));
    CHECK(position == 8);
    uint8_t byte;
    __wasi_size_t done;
    OK(read_bytes(fd, &byte, 1, &done));
    CHECK(done == 1 && byte == '8' && position_of(fd) == 9);
    FAILS(INVAL, __wasi_fd_seek(fd, -1, __WASI_WHENCE_SET, &position));
    FAILS(INVAL, __wasi_fd_seek(fd, -11, __WASI_WHENCE_END, &position));
    FAILS(INVAL, __wasi_fd_seek(fd, -10, __WASI_WHENCE_CUR, &position));
    FAILS_EITHER(INVAL, OVERFLOW, __wasi_fd_seek(fd, INT64_MAX, __WASI_WHENCE_CUR, &position));
    FAILS(INVAL, __wasi_fd_seek(fd, 0, 3, &position));
    CHECK(position_of(fd) == 9);

    // Behind the end, where a write leaves a hole.
    OK(__wasi_fd_seek(fd, 5, __WASI_WHENCE_END, &position));
    CHECK(position == 15);
    OK(read_bytes(fd, &byte, 1, &done));
    CHECK(done == 0);
    OK(write_text(fd, "!", &done));
    uint8_t buffer[16];
    OK(read_bytes_at(fd, buffer, sizeof buffer, 0, &done));
    CHECK(done == 16 && memcmp(buffer, "0123456789\0\0\0\0\0!", 16) == 0);
    OK(__wasi_fd_close(fd));
}

static void appends(void) {
    OK(make_file("log", "a"));
    fd_t fd = NO_FD;
    OK(__wasi_path_open(ROOT, 0, "log", 0, FILE_RIGHTS, 0, __WASI_FDFLAGS_APPEND, &fd));
    __wasi_fdstat_t status;
    OK(__wasi_fd_fdstat_get(fd, &status));
    CHECK(status.fs_flags == __WASI_FDFLAGS_APPEND);
    CHECK(status.fs_filetype == __WASI_FILETYPE_REGULAR_FILE);
    __wasi_size_t done;
    OK(write_text(fd, "b", &done));
    CHECK(has_text("log", "ab"));
    CHECK(position_of(fd) == 2);
    __wasi_filesize_t position;
    OK(__wasi_fd_seek(fd, 0, __WASI_WHENCE_SET, &position));
    uint8_t byte;
    OK(read_bytes(fd, &byte, 1, &done));
    CHECK(byte == 'a');
    OK(write_text(fd, "c", &done));
    CHECK(has_text("log", "abc"));

    // What somebody else wrote stays in front.
    fd_t other = OPEN_FILE("log", 0);
    OK(__wasi_fd_seek(other, 0, __WASI_WHENCE_END, &position));
    OK(write_text(other, "d", &done));
    OK(write_text(fd, "e", &done));
    CHECK(has_text("log", "abcde"));

    // The flag can be taken away and given.
    OK(__wasi_fd_fdstat_set_flags(fd, 0));
    OK(__wasi_fd_fdstat_get(fd, &status));
    CHECK(status.fs_flags == 0);
    OK(__wasi_fd_seek(fd, 0, __WASI_WHENCE_SET, &position));
    OK(write_text(fd, "A", &done));
    CHECK(has_text("log", "Abcde"));
    OK(__wasi_fd_fdstat_set_flags(fd, __WASI_FDFLAGS_APPEND));
    OK(write_text(fd, "f", &done));
    CHECK(has_text("log", "Abcdef"));
    OK(__wasi_fd_fdstat_get(fd, &status));
    CHECK(status.fs_flags == __WASI_FDFLAGS_APPEND);
    FAILS(INVAL, __wasi_fd_fdstat_set_flags(fd, 32));
    OK(__wasi_fd_close(other));
    OK(__wasi_fd_close(fd));
}

static void directories_hold_no_bytes(void) {
    OK(__wasi_path_create_directory(ROOT, "folder"));
    fd_t fd = OPEN_DIRECTORY("folder");
    uint8_t byte;
    __wasi_size_t done;
    __wasi_filesize_t position;
    FAILS_ANY(ISDIR, BADF, NOTCAPABLE, read_bytes(fd, &byte, 1, &done));
    FAILS_ANY(ISDIR, BADF, NOTCAPABLE, read_bytes_at(fd, &byte, 1, 0, &done));
    FAILS_ANY(ISDIR, BADF, NOTCAPABLE, write_text(fd, "x", &done));
    __wasi_ciovec_t out = {(const uint8_t *)"x", 1};
    FAILS_ANY(ISDIR, BADF, NOTCAPABLE, __wasi_fd_pwrite(fd, &out, 1, 0, &done));
    FAILS_ANY(ISDIR, BADF, NOTCAPABLE, __wasi_fd_seek(fd, 0, __WASI_WHENCE_SET, &position));
    FAILS_ANY(ISDIR, BADF, NOTCAPABLE, __wasi_fd_tell(fd, &position));
    OK(__wasi_fd_close(fd));
}

int main(void) {
    scatters_and_gathers();
    reads_and_writes_at_offsets();
    moves();
    appends();
    directories_hold_no_bytes();
    return finish();
}
