// path_rename within one preopen.

#include "test.h"

static uint64_t inode_of(const char *path) {
    __wasi_filestat_t status;
    OK(__wasi_path_filestat_get(ROOT, 0, path, &status));
    return status.ino;
}

static void renames_files(void) {
    OK(make_file("a", "a"));
    uint64_t inode = inode_of("a");
    OK(__wasi_path_rename(ROOT, "a", ROOT, "b"));
    CHECK(!exists("a") && has_text("b", "a") && inode_of("b") == inode);

    // What was there is replaced at once, and stays readable for who has it open.
    OK(make_file("c", "c"));
    fd_t old = OPEN_FILE("c", 0);
    OK(__wasi_path_rename(ROOT, "b", ROOT, "c"));
    CHECK(!exists("b") && has_text("c", "a") && inode_of("c") == inode);
    char byte;
    __wasi_size_t done;
    OK(read_bytes(old, &byte, 1, &done));
    CHECK(byte == 'c');
    OK(__wasi_fd_close(old));

    // An open descriptor goes along.
    fd_t fd = OPEN_FILE("c", 0);
    OK(__wasi_path_create_directory(ROOT, "folder"));
    fd_t folder = OPEN_DIRECTORY("folder");
    OK(__wasi_path_rename(ROOT, "c", folder, "d"));
    OK(write_text(fd, "A", &done));
    CHECK(has_text("folder/d", "A"));
    OK(__wasi_path_rename(folder, "d", ROOT, "e"));
    CHECK(has_text("e", "A") && !exists("folder/d"));
    OK(__wasi_fd_close(folder));
    OK(__wasi_fd_close(fd));

    // Onto itself, by either of two names: nothing happens.
    OK(__wasi_path_rename(ROOT, "e", ROOT, "e"));
    OK(__wasi_path_link(ROOT, 0, "e", ROOT, "f"));
    OK(__wasi_path_rename(ROOT, "e", ROOT, "f"));
    CHECK(has_text("e", "A") && has_text("f", "A"));
}

static void renames_directories(void) {
    OK(__wasi_path_create_directory(ROOT, "one"));
    OK(make_file("one/file", "one"));
    OK(__wasi_path_rename(ROOT, "one", ROOT, "two"));
    CHECK(!exists("one") && has_text("two/file", "one"));
    OK(__wasi_path_rename(ROOT, "two/", ROOT, "one/"));
    CHECK(!exists("two") && has_text("one/file", "one"));
    OK(__wasi_path_create_directory(ROOT, "empty"));
    OK(__wasi_path_rename(ROOT, "one", ROOT, "empty"));
    CHECK(!exists("one") && has_text("empty/file", "one"));
    OK(__wasi_path_create_directory(ROOT, "another"));
    FAILS_EITHER(NOTEMPTY, EXIST, __wasi_path_rename(ROOT, "another", ROOT, "empty"));
    FAILS(INVAL, __wasi_path_rename(ROOT, "another", ROOT, "another/below"));
    CHECK(exists("another") && has_text("empty/file", "one"));
}

static void renames_links_themselves(void) {
    OK(__wasi_path_symlink("e", ROOT, "link"));
    OK(__wasi_path_rename(ROOT, "link", ROOT, "link2"));
    __wasi_filestat_t status;
    OK(__wasi_path_filestat_get(ROOT, 0, "link2", &status));
    CHECK(status.filetype == __WASI_FILETYPE_SYMBOLIC_LINK);
    OK(make_file("new", "new"));
    OK(__wasi_path_rename(ROOT, "new", ROOT, "link2"));
    CHECK(has_text("link2", "new") && has_text("e", "A"));
    // A dangling one too.
    OK(__wasi_path_symlink("nowhere", ROOT, "dangling"));
    OK(__wasi_path_rename(ROOT, "dangling", ROOT, "dangling2"));
    CHECK(exists("dangling2") && !exists("dangling") && !exists("nowhere"));
}

static void refuses(void) {
    OK(make_file("file", "file"));
    FAILS(NOENT, __wasi_path_rename(ROOT, "missing", ROOT, "new"));
    FAILS(NOENT, __wasi_path_rename(ROOT, "file", ROOT, "missing/new"));
    FAILS(NOENT, __wasi_path_rename(ROOT, "", ROOT, "new"));
    FAILS(NOENT, __wasi_path_rename(ROOT, "file", ROOT, ""));
    FAILS(NOTDIR, __wasi_path_rename(ROOT, "file/x", ROOT, "new"));
    FAILS(NOTDIR, __wasi_path_rename(ROOT, "file", ROOT, "e/new"));
    FAILS(NOTDIR, __wasi_path_rename(ROOT, "file/", ROOT, "new"));
    FAILS_EITHER(NOTDIR, NOENT, __wasi_path_rename(ROOT, "file", ROOT, "new/"));
    FAILS_EITHER(ISDIR, EXIST, __wasi_path_rename(ROOT, "file", ROOT, "another"));
    FAILS(NOTDIR, __wasi_path_rename(ROOT, "another", ROOT, "file"));
    FAILS_ANY(BUSY, INVAL, EXIST, __wasi_path_rename(ROOT, ".", ROOT, "new"));
    CHECK(!exists("new") && has_text("file", "file"));
}

int main(void) {
    renames_files();
    renames_directories();
    renames_links_themselves();
    refuses();
    return finish();
}
