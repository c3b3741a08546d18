// While this runs, the host moves the folder `deep/a` out of the preopen, two levels below a canary, and back, over and
// over. A path that goes through it and up again may lead to the guest's own files, or nowhere, but never to what is
// above the folder's place outside. Prints how often it came through and how often not. The first argument is
// the number of rounds.

#include "test.h"

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
    fd_t held = NO_FD;
    for (int i = 0; i < rounds && failures == 0; i++) {
        fd_t fd;
        __wasi_filestat_t status;
        errno_t error = try_open(ROOT, "deep/a/../../mine", 0, RIGHT(FD_READ), &fd);
        count(error);
        if (error == __WASI_ERRNO_SUCCESS) {
            OK(__wasi_fd_close(fd));
        }
        count(__wasi_path_rename(ROOT, "deep/a/../../mine", ROOT, "deep/a/../../moved"));
        count(__wasi_path_rename(ROOT, "moved", ROOT, "mine"));
        count(__wasi_path_link(ROOT, 0, "mine", ROOT, "deep/a/../../linked"));
        count(__wasi_path_unlink_file(ROOT, "deep/a/../../linked"));
        count(__wasi_path_create_directory(ROOT, "deep/a/../../made"));
        count(__wasi_path_remove_directory(ROOT, "deep/a/../../made"));
        count(__wasi_path_symlink("mine", ROOT, "deep/a/../../symbolic"));
        count(__wasi_path_unlink_file(ROOT, "symbolic"));
        // These are only outside, and must never be found.
        CHECK(try_open(ROOT, "deep/a/../../canary", 0, RIGHT(FD_READ), &fd) != __WASI_ERRNO_SUCCESS);
        CHECK(__wasi_path_filestat_get(ROOT, FOLLOW, "deep/a/../../canary", &status) != __WASI_ERRNO_SUCCESS);
        CHECK(__wasi_path_unlink_file(ROOT, "deep/a/../../canary") != __WASI_ERRNO_SUCCESS);
        CHECK(__wasi_path_rename(ROOT, "deep/a/../../canary", ROOT, "stolen") != __WASI_ERRNO_SUCCESS);
        CHECK(__wasi_path_link(ROOT, 0, "deep/a/../../canary", ROOT, "stolen") != __WASI_ERRNO_SUCCESS);
        // A folder that is held open goes with the host, but nothing above it does.
        if (held == NO_FD) {
            error = __wasi_path_open(ROOT, 0, "deep/a", ONLY_DIRECTORY, DIRECTORY_RIGHTS, DIRECTORY_RIGHTS | FILE_RIGHTS,
                                     0, &held);
            held = error == __WASI_ERRNO_SUCCESS ? held : NO_FD;
        } else {
            REFUSED(try_open(held, "..", ONLY_DIRECTORY, RIGHT(FD_READDIR), &fd));
            REFUSED(try_open(held, "../../canary", 0, RIGHT(FD_READ), &fd));
            REFUSED(__wasi_path_unlink_file(held, "../../canary"));
        }
    }
    put(1, "inside ");
    put_number(1, inside);
    put(1, " refused ");
    put_number(1, refused);
    put(1, "\n");
    return finish();
}
