// sock_accept, sock_recv, sock_send and sock_shutdown on real sockets: descriptor 4 is one that listens. A client of
// the host's connects, sends "ping", reads "pong" and the end, sends "bye" and closes.

#include "test.h"

#define LISTENER 4

static errno_t receive(fd_t fd, __wasi_riflags_t flags, char *buffer, size_t length, __wasi_size_t *done) {
    // In two parts.
    __wasi_iovec_t in[] = {{(uint8_t *)buffer, 1}, {(uint8_t *)buffer + 1, length - 1}};
    __wasi_roflags_t out_flags = 99;
    errno_t error = __wasi_sock_recv(fd, in, 2, flags, done, &out_flags);
    CHECK(error != __WASI_ERRNO_SUCCESS || out_flags == 0);
    return error;
}

int main(void) {
    __wasi_fdstat_t status;
    __wasi_size_t done = 0;
    char buffer[16] = {0};
    OK(__wasi_fd_fdstat_get(LISTENER, &status));
    CHECK(status.fs_filetype == __WASI_FILETYPE_SOCKET_STREAM);
    CHECK((status.fs_rights_base & RIGHT(SOCK_ACCEPT)) != 0);

    fd_t fd = NO_FD;
    OK(__wasi_sock_accept(LISTENER, 0, &fd));
    CHECK(fd > LISTENER);
    OK(__wasi_fd_fdstat_get(fd, &status));
    CHECK(status.fs_filetype == __WASI_FILETYPE_SOCKET_STREAM && status.fs_flags == 0);

    // Looked at, it is still there.
    OK(receive(fd, __WASI_RIFLAGS_RECV_PEEK, buffer, 4, &done));
    CHECK(done > 0 && done <= 4 && memcmp(buffer, "ping", done) == 0);
    memset(buffer, 0, sizeof buffer);
    OK(receive(fd, __WASI_RIFLAGS_RECV_WAITALL, buffer, 4, &done));
    CHECK(done == 4 && memcmp(buffer, "ping", 4) == 0);

    __wasi_filesize_t position;
    FAILS_EITHER(SPIPE, NOTCAPABLE, __wasi_fd_seek(fd, 0, __WASI_WHENCE_SET, &position));
    FAILS(INVAL, receive(fd, 64, buffer, 4, &done));
    FAILS(INVAL, __wasi_sock_shutdown(fd, 64));

    __wasi_ciovec_t out[] = {{(const uint8_t *)"po", 2}, {(const uint8_t *)"ng", 2}};
    OK(__wasi_sock_send(fd, out, 2, 0, &done));
    CHECK(done == 4);
    OK(__wasi_sock_shutdown(fd, __WASI_SDFLAGS_WR));
    FAILS(PIPE, __wasi_sock_send(fd, out, 2, 0, &done));
    // The other direction is open: the client answers the end with its last words.
    OK(receive(fd, __WASI_RIFLAGS_RECV_WAITALL, buffer, 3, &done));
    CHECK(done == 3 && memcmp(buffer, "bye", 3) == 0);
    OK(receive(fd, 0, buffer, 3, &done));
    CHECK(done == 0);
    OK(__wasi_fd_close(fd));

    // Nobody else comes: to wait for nobody would be forever.
    OK(__wasi_fd_fdstat_set_flags(LISTENER, __WASI_FDFLAGS_NONBLOCK));
    FAILS(AGAIN, __wasi_sock_accept(LISTENER, 0, &fd));
    return finish();
}
