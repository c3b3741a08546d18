// path_create_directory, path_remove_directory, path_unlink_file.

#include "test.h"

static void creates(void) {
    OK(__wasi_path_create_directory(ROOT, "a"));
    OK(__wasi_path_create_directory(ROOT, "a/b"));
    OK(__wasi_path_create_directory(ROOT, "a/c/"));
    __wasi_filestat_t status;
    OK(__wasi_path_filestat_get(ROOT, 0, "a/b", &status));
    CHECK(status.filetype == __WASI_FILETYPE_DIRECTORY);
    FAILS(EXIST, __wasi_path_create_directory(ROOT, "a"));
    FAILS(EXIST, __wasi_path_create_directory(ROOT, "a/b/"));
    FAILS(NOENT, __wasi_path_create_directory(ROOT, "x/y"));
    FAILS(NOENT, __wasi_path_create_directory(ROOT, ""));
    OK(make_file("file", ""));
    FAILS(EXIST, __wasi_path_create_directory(ROOT, "file"));
    FAILS(NOTDIR, __wasi_path_create_directory(ROOT, "file/below"));
    // A dangling link is a name that is taken.
    OK(__wasi_path_symlink("nowhere", ROOT, "dangling"));
    FAILS(EXIST, __wasi_path_create_directory(ROOT, "dangling"));
    CHECK(!exists("nowhere"));
    // Below an open directory.
    fd_t a = OPEN_DIRECTORY("a");
    OK(__wasi_path_create_directory(a, "d"));
    CHECK(exists("a/d"));
    OK(__wasi_fd_close(a));
}

static void removes(void) {
    FAILS_EITHER(NOTEMPTY, EXIST, __wasi_path_remove_directory(ROOT, "a"));
    FAILS(NOENT, __wasi_path_remove_directory(ROOT, "missing"));
    FAILS(NOENT, __wasi_path_remove_directory(ROOT, ""));
    FAILS(NOTDIR, __wasi_path_remove_directory(ROOT, "file"));
    FAILS(NOTDIR, __wasi_path_remove_directory(ROOT, "file/"));
    OK(__wasi_path_symlink("a", ROOT, "link"));
    FAILS(NOTDIR, __wasi_path_remove_directory(ROOT, "link"));
    FAILS_ANY(INVAL, BUSY, NOTEMPTY, __wasi_path_remove_directory(ROOT, "a/."));
    CHECK(exists("link"));
    OK(__wasi_path_remove_directory(ROOT, "a/b"));
    OK(__wasi_path_remove_directory(ROOT, "a/c/"));
    OK(__wasi_path_remove_directory(ROOT, "a/d"));
    OK(__wasi_path_remove_directory(ROOT, "a"));
    CHECK(!exists("a"));
}

static void works_in_what_is_gone(void) {
    OK(__wasi_path_create_directory(ROOT, "gone"));
    fd_t fd = OPEN_DIRECTORY("gone");
    OK(__wasi_path_remove_directory(ROOT, "gone"));
    fd_t made;
    FAILS(NOENT, try_open(fd, "file", CREATE, FILE_RIGHTS, &made));
    FAILS(NOENT, __wasi_path_create_directory(fd, "sub"));
    OK(__wasi_fd_close(fd));
}

static void unlinks(void) {
    OK(make_file("doomed", ""));
    FAILS(NOTDIR, __wasi_path_unlink_file(ROOT, "doomed/"));
    OK(__wasi_path_unlink_file(ROOT, "doomed"));
    CHECK(!exists("doomed"));
    FAILS(NOENT, __wasi_path_unlink_file(ROOT, "doomed"));
    FAILS(NOENT, __wasi_path_unlink_file(ROOT, ""));
    FAILS(NOENT, __wasi_path_unlink_file(ROOT, "missing/file"));
    FAILS(NOTDIR, __wasi_path_unlink_file(ROOT, "file/below"));
    OK(__wasi_path_create_directory(ROOT, "kept"));
    FAILS(ISDIR, __wasi_path_unlink_file(ROOT, "kept"));
    FAILS_EITHER(ISDIR, NOTDIR, __wasi_path_unlink_file(ROOT, "kept/"));
    CHECK(exists("kept"));
    // The link goes, not what it names.
    OK(make_file("target", "target"));
    OK(__wasi_path_symlink("target", ROOT, "to_file"));
    OK(__wasi_path_symlink("kept", ROOT, "to_directory"));
    OK(__wasi_path_unlink_file(ROOT, "to_file"));
    OK(__wasi_path_unlink_file(ROOT, "to_directory"));
    OK(__wasi_path_unlink_file(ROOT, "dangling"));
    CHECK(!exists("to_file") && !exists("to_directory") && !exists("dangling"));
    CHECK(has_text("target", "target") && exists("kept"));
    // The first of two names goes; the file stays open and readable.
    fd_t fd = OPEN_FILE("target", 0);
    OK(__wasi_path_unlink_file(ROOT, "target"));
    char buffer[16];
    __wasi_size_t done;
    OK(read_bytes(fd, buffer, sizeof buffer, &done));
    CHECK(done == 6 && memcmp(buffer, "target", 6) == 0);
    OK(__wasi_fd_close(fd));
}

int main(void) {
    creates();
    removes();
    works_in_what_is_gone();
    unlinks();
    return finish();
}
