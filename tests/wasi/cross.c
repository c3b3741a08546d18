// path_rename and path_link from one preopen to another, on one file system (argument `same`) or two (`other`).

#include "test.h"

#define SECOND_ROOT 4

static void within_one_file_system(void) {
    OK(__wasi_path_link(ROOT, 0, "file", SECOND_ROOT, "linked"));
    __wasi_filestat_t one, other;
    OK(__wasi_path_filestat_get(ROOT, 0, "file", &one));
    OK(__wasi_path_filestat_get(SECOND_ROOT, 0, "linked", &other));
    CHECK(one.ino == other.ino && one.dev == other.dev && one.nlink == 2);
    OK(__wasi_path_rename(ROOT, "file", SECOND_ROOT, "moved"));
    CHECK(!exists("file") && has_text_at(SECOND_ROOT, "moved", "file"));
    OK(__wasi_path_rename(SECOND_ROOT, "moved", ROOT, "file"));
    OK(__wasi_path_rename(ROOT, "folder", SECOND_ROOT, "folder"));
    CHECK(!exists("folder"));
    OK(__wasi_path_rename(SECOND_ROOT, "folder", ROOT, "folder"));
}

static void between_file_systems(void) {
    FAILS(XDEV, __wasi_path_link(ROOT, 0, "file", SECOND_ROOT, "linked"));
    FAILS(XDEV, __wasi_path_rename(ROOT, "file", SECOND_ROOT, "moved"));
    FAILS(XDEV, __wasi_path_rename(ROOT, "folder", SECOND_ROOT, "moved"));
    __wasi_filestat_t status;
    FAILS(NOENT, __wasi_path_filestat_get(SECOND_ROOT, 0, "moved", &status));
    FAILS(NOENT, __wasi_path_filestat_get(SECOND_ROOT, 0, "linked", &status));
}

int main(int argc, char **argv) {
    if (!CHECK(argc == 2)) {
        return finish();
    }
    OK(make_file("file", "file"));
    OK(__wasi_path_create_directory(ROOT, "folder"));
    if (strcmp(argv[1], "same") == 0) {
        within_one_file_system();
    } else {
        between_file_systems();
    }
    CHECK(has_text("file", "file") && exists("folder"));
    // Neither preopen is a way into the other.
    fd_t fd;
    REFUSED(try_open(ROOT, "../second/x", CREATE, FILE_RIGHTS, &fd));
    REFUSED(try_open(SECOND_ROOT, "../sandbox/file", 0, RIGHT(FD_READ), &fd));
    return finish();
}
