// sock_accept, sock_recv, sock_send and sock_shutdown on what is no socket: preview 1 has no way to make one.

#include "test.h"

static void is_no_socket(fd_t fd) {
    uint8_t buffer[8] = {0};
    __wasi_iovec_t in = {buffer, sizeof buffer};
    __wasi_ciovec_t out = {buffer, sizeof buffer};
    __wasi_size_t done = 99;
    __wasi_roflags_t flags;
    fd_t accepted = NO_FD;
    FAILS_EITHER(NOTSOCK, NOTCAPABLE, __wasi_sock_accept(fd, 0, &accepted));
    FAILS_EITHER(NOTSOCK, NOTCAPABLE, __wasi_sock_accept(fd, __WASI_FDFLAGS_NONBLOCK, &accepted));
    FAILS_EITHER(NOTSOCK, NOTCAPABLE, __wasi_sock_recv(fd, &in, 1, 0, &done, &flags));
    FAILS_EITHER(NOTSOCK, NOTCAPABLE, __wasi_sock_recv(fd, &in, 1, __WASI_RIFLAGS_RECV_PEEK, &done, &flags));
    FAILS_EITHER(NOTSOCK, NOTCAPABLE, __wasi_sock_send(fd, &out, 1, 0, &done));
    FAILS_EITHER(NOTSOCK, NOTCAPABLE, __wasi_sock_shutdown(fd, __WASI_SDFLAGS_RD));
    FAILS_EITHER(NOTSOCK, NOTCAPABLE, __wasi_sock_shutdown(fd, __WASI_SDFLAGS_RD | __WASI_SDFLAGS_WR));
    CHECK(accepted == NO_FD && buffer[0] == 0);
}

int main(void) {
    OK(make_file("file", "file"));
    fd_t fd = OPEN_FILE("file", 0);
    is_no_socket(fd);
    is_no_socket(ROOT);
    is_no_socket(1);
    __wasi_iovec_t in = {0, 0};
    __wasi_size_t done;
    __wasi_roflags_t flags;
    fd_t accepted;
    // Flags that there are not.
    FAILS_ANY(INVAL, NOTSOCK, NOTCAPABLE, __wasi_sock_accept(fd, 64, &accepted));
    FAILS_ANY(INVAL, NOTSOCK, NOTCAPABLE, __wasi_sock_recv(fd, &in, 1, 64, &done, &flags));
    FAILS_ANY(INVAL, NOTSOCK, NOTCAPABLE, __wasi_sock_shutdown(fd, 64));
    CHECK(has_text("file", "file"));
    OK(__wasi_fd_close(fd));
    return finish();
}
