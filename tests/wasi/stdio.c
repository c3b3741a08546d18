// Standard streams as pipes: bytes come and go unchanged, and what only files can do is refused.
//
// The host sends the 256 bytes from 0 to 255 twice, closes standard input, and gets the same on standard output.

#include "test.h"

static void is_a_stream(fd_t fd) {
    __wasi_fdstat_t fdstat;
    __wasi_filestat_t status;
    __wasi_filesize_t position;
    OK(__wasi_fd_fdstat_get(fd, &fdstat));
    CHECK(fdstat.fs_filetype != __WASI_FILETYPE_REGULAR_FILE && fdstat.fs_filetype != __WASI_FILETYPE_DIRECTORY);
    CHECK(((fdstat.fs_rights_base & RIGHT(FD_READ)) != 0 && fd == 0) ||
          ((fdstat.fs_rights_base & RIGHT(FD_WRITE)) != 0 && fd != 0));
    // That they can't seek is how libc knows a terminal from a file.
    CHECK((fdstat.fs_rights_base & (RIGHT(FD_SEEK) | RIGHT(FD_TELL))) == 0);
    OK(__wasi_fd_filestat_get(fd, &status));
    CHECK(status.filetype == fdstat.fs_filetype);
    FAILS_EITHER(SPIPE, NOTCAPABLE, __wasi_fd_seek(fd, 0, __WASI_WHENCE_SET, &position));
    FAILS_EITHER(SPIPE, NOTCAPABLE, __wasi_fd_seek(fd, 0, __WASI_WHENCE_CUR, &position));
    FAILS_EITHER(SPIPE, NOTCAPABLE, __wasi_fd_tell(fd, &position));
    uint8_t byte = 0;
    __wasi_size_t done;
    __wasi_iovec_t in = {&byte, 1};
    __wasi_ciovec_t out = {&byte, 1};
    FAILS_ANY(SPIPE, NOTCAPABLE, BADF, __wasi_fd_pread(fd, &in, 1, 0, &done));
    FAILS_ANY(SPIPE, NOTCAPABLE, BADF, __wasi_fd_pwrite(fd, &out, 1, 0, &done));
    FAILS_ANY(SPIPE, NOTCAPABLE, BADF, __wasi_fd_advise(fd, 0, 1, 0));
    FAILS_ANY(SPIPE, NOTCAPABLE, BADF, __wasi_fd_allocate(fd, 0, 1));
    FAILS_ANY(INVAL, NOTCAPABLE, BADF, __wasi_fd_filestat_set_size(fd, 0));
    FAILS_ANY(NOTDIR, NOTCAPABLE, BADF, __wasi_fd_readdir(fd, &byte, 1, 0, &done));
    fd_t opened;
    FAILS_ANY(NOTDIR, NOTCAPABLE, BADF, try_open(fd, "x", CREATE, FILE_RIGHTS, &opened));
}

int main(void) {
    for (fd_t fd = 0; fd < 3; fd++) {
        is_a_stream(fd);
    }
    uint8_t byte = 0;
    __wasi_size_t done;
    FAILS_EITHER(BADF, NOTCAPABLE, write_text(0, "x", &done));
    FAILS_EITHER(BADF, NOTCAPABLE, read_bytes(1, &byte, 1, &done));
    FAILS_EITHER(BADF, NOTCAPABLE, read_bytes(2, &byte, 1, &done));

    uint8_t buffer[100];
    size_t total = 0;
    for (;;) {
        if (!OK(read_bytes(0, buffer, sizeof buffer, &done)) || done == 0) {
            break;
        }
        for (__wasi_size_t i = 0; i < done; i++) {
            CHECK(buffer[i] == (uint8_t)(total + i));
        }
        total += done;
        __wasi_ciovec_t out[] = {{buffer, done / 2}, {buffer + done / 2, done - done / 2}};
        __wasi_size_t written = 0;
        OK(__wasi_fd_write(1, out, 2, &written));
        CHECK(written == done);
    }
    CHECK(total == 512);
    // The end stays the end.
    OK(read_bytes(0, &byte, 1, &done));
    CHECK(done == 0);

    // Streams can be closed and renumbered like all others.
    OK(__wasi_fd_close(0));
    FAILS(BADF, read_bytes(0, &byte, 1, &done));
    OK(make_file("out", ""));
    fd_t fd = OPEN_FILE("out", 0);
    OK(__wasi_fd_renumber(fd, 1));
    OK(write_text(1, "to the file", &done));
    CHECK(has_text("out", "to the file"));
    return finish();
}
