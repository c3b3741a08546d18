// While this runs, the host exchanges `door`, a folder, for a link to `../outside`, over and over. Through it, the
// guest may find its own file, or nothing, but never what is outside. Prints how often it came through
// and how often not. The first argument is the number of rounds.

#include "test.h"

static const char secret[] = "secret";

static uint64_t inside = 0, refused = 0;

static void count(errno_t error) {
    switch (error) {
    case __WASI_ERRNO_SUCCESS:
        inside++;
        break;
    case __WASI_ERRNO_NOTCAPABLE:
    case __WASI_ERRNO_PERM:
    case __WASI_ERRNO_NOENT:
    case __WASI_ERRNO_EXIST:
    case __WASI_ERRNO_NOTEMPTY:
    case __WASI_ERRNO_NOTDIR:
    case __WASI_ERRNO_LOOP:
    // A link when it was found, and none when it was read.
    case __WASI_ERRNO_INVAL:
    // Too many changes while a path was resolved.
    case __WASI_ERRNO_AGAIN:
        refused++;
        break;
    default:
        failed(__FILE_NAME__, __LINE__, errno_name(error));
        put(2, " has nothing to do with it\n");
    }
}

int main(int argc, char **argv) {
    int rounds = 0;
    for (const char *digit = argc == 2 ? argv[1] : ""; *digit; digit++) {
        rounds = rounds * 10 + (*digit - '0');
    }
    CHECK(rounds > 0);
    OK(make_file("mine", "mine"));
    char buffer[16];
    __wasi_size_t done;
    __wasi_filestat_t status;
    for (int i = 0; i < rounds && failures == 0; i++) {
        fd_t fd;
        errno_t error = try_open(ROOT, "door/file", 0, RIGHT(FD_READ), &fd);
        count(error);
        if (error == __WASI_ERRNO_SUCCESS) {
            OK(read_bytes(fd, buffer, sizeof buffer, &done));
            CHECK(done == 6 && memcmp(buffer, "inside", 6) == 0);
            OK(__wasi_fd_close(fd));
        }
        // The host looks afterwards whether any of these came about outside.
        error = try_open(ROOT, "door/new", CREATE, RIGHT(FD_WRITE), &fd);
        count(error);
        if (error == __WASI_ERRNO_SUCCESS) {
            OK(__wasi_fd_close(fd));
        }
        count(__wasi_path_unlink_file(ROOT, "door/new"));
        count(__wasi_path_create_directory(ROOT, "door/made"));
        count(__wasi_path_remove_directory(ROOT, "door/made"));
        count(__wasi_path_link(ROOT, 0, "mine", ROOT, "door/linked"));
        count(__wasi_path_unlink_file(ROOT, "door/linked"));
        count(__wasi_path_symlink("file", ROOT, "door/symbolic"));
        count(__wasi_path_unlink_file(ROOT, "door/symbolic"));
        count(__wasi_path_rename(ROOT, "mine", ROOT, "door/mine"));
        count(__wasi_path_rename(ROOT, "door/mine", ROOT, "mine"));
        error = __wasi_path_filestat_get(ROOT, FOLLOW, "door/file", &status);
        count(error);
        if (error == __WASI_ERRNO_SUCCESS) {
            CHECK(status.size == 6);
        }
        // These are only outside, and must never be found.
        CHECK(try_open(ROOT, "door/secret", 0, RIGHT(FD_READ), &fd) != __WASI_ERRNO_SUCCESS);
        CHECK(__wasi_path_unlink_file(ROOT, "door/secret") != __WASI_ERRNO_SUCCESS);
        CHECK(__wasi_path_rename(ROOT, "door/secret", ROOT, secret) != __WASI_ERRNO_SUCCESS);
        CHECK(__wasi_path_link(ROOT, 0, "door/secret", ROOT, secret) != __WASI_ERRNO_SUCCESS);
    }
    put(1, "inside ");
    put_number(1, inside);
    put(1, " refused ");
    put_number(1, refused);
    put(1, "\n");
    return finish();
}
