// A guest to which the host gave /proc as its first preopen gets what is in /proc and nothing behind the links in it.

#include "test.h"

static void refuses(const char *path) {
    fd_t fd;
    __wasi_filestat_t status;
    const int before = failures;
    // Some links are no paths at all: then it is a matter of taste which error says so.
    FAILS_ANY(NOTCAPABLE, PERM, LOOP, try_open(ROOT, path, 0, RIGHT(FD_READ), &fd));
    FAILS_ANY(NOTCAPABLE, PERM, LOOP, try_open(ROOT, path, ONLY_DIRECTORY, RIGHT(FD_READDIR), &fd));
    FAILS_ANY(NOTCAPABLE, PERM, LOOP, __wasi_path_filestat_get(ROOT, FOLLOW, path, &status));
    if (failures != before) {
        put(2, "    with the path ");
        put(2, path);
        put(2, "\n");
    }
}

int main(void) {
    fd_t fd;
    OK(try_open(ROOT, "version", 0, RIGHT(FD_READ), &fd));
    char buffer[6];
    __wasi_size_t done;
    OK(read_bytes(fd, buffer, sizeof buffer, &done));
    CHECK(done == 6 && memcmp(buffer, "Linux ", 6) == 0);
    OK(__wasi_fd_close(fd));
    // A link within /proc.
    OK(try_open(ROOT, "self/status", 0, RIGHT(FD_READ), &fd));
    OK(__wasi_fd_close(fd));
    refuses("self/root");
    refuses("self/root/etc/passwd");
    refuses("self/root/proc/version");
    refuses("self/cwd");
    refuses("self/cwd/Cargo.toml");
    refuses("self/exe");
    refuses("thread-self/root/etc/passwd");
    refuses("self/task/../root/etc/passwd");
    return finish();
}
