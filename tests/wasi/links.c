// path_link, path_symlink, path_readlink, and links followed or not.

#include "test.h"

static bool reads_link(const char *path, const char *target) {
    uint8_t buffer[256];
    __wasi_size_t used = 0;
    return OK(__wasi_path_readlink(ROOT, path, buffer, sizeof buffer, &used)) && used == strlen(target) &&
           memcmp(buffer, target, used) == 0;
}

static void hard_links(void) {
    OK(make_file("file", "file"));
    OK(__wasi_path_create_directory(ROOT, "folder"));
    OK(__wasi_path_link(ROOT, 0, "file", ROOT, "second"));
    fd_t folder = OPEN_DIRECTORY("folder");
    OK(__wasi_path_link(ROOT, 0, "file", folder, "third"));
    OK(__wasi_path_link(folder, 0, "third", ROOT, "fourth"));
    __wasi_filestat_t one, other;
    OK(__wasi_path_filestat_get(ROOT, 0, "file", &one));
    OK(__wasi_path_filestat_get(folder, 0, "third", &other));
    CHECK(one.ino == other.ino && one.nlink == 4 && other.nlink == 4);
    CHECK(has_text("second", "file") && has_text("fourth", "file"));

    FAILS(EXIST, __wasi_path_link(ROOT, 0, "file", ROOT, "second"));
    FAILS(EXIST, __wasi_path_link(ROOT, 0, "file", ROOT, "folder"));
    FAILS(EXIST, __wasi_path_link(ROOT, 0, "file", ROOT, "file"));
    FAILS(NOENT, __wasi_path_link(ROOT, 0, "missing", ROOT, "new"));
    FAILS(NOENT, __wasi_path_link(ROOT, 0, "file", ROOT, "missing/new"));
    FAILS(NOENT, __wasi_path_link(ROOT, 0, "file", ROOT, ""));
    FAILS(NOENT, __wasi_path_link(ROOT, 0, "", ROOT, "new"));
    FAILS(NOTDIR, __wasi_path_link(ROOT, 0, "file", ROOT, "file/new"));
    FAILS(NOTDIR, __wasi_path_link(ROOT, 0, "file/", ROOT, "new"));
    FAILS_EITHER(NOENT, NOTDIR, __wasi_path_link(ROOT, 0, "file", ROOT, "new/"));
    FAILS_EITHER(PERM, ISDIR, __wasi_path_link(ROOT, 0, "folder", ROOT, "new"));
    CHECK(!exists("new"));

    // The link itself, or what it names; the latter need not be possible.
    OK(__wasi_path_symlink("file", ROOT, "symbolic"));
    OK(__wasi_path_link(ROOT, 0, "symbolic", ROOT, "symbolic2"));
    CHECK(reads_link("symbolic2", "file"));
    errno_t error = __wasi_path_link(ROOT, FOLLOW, "symbolic", ROOT, "followed");
    if (error == __WASI_ERRNO_SUCCESS) {
        OK(__wasi_path_filestat_get(ROOT, 0, "followed", &other));
        CHECK(other.ino == one.ino);
    } else {
        CHECK(error == __WASI_ERRNO_INVAL || error == __WASI_ERRNO_NOTSUP);
        CHECK(!exists("followed"));
    }
    FAILS(INVAL, __wasi_path_link(ROOT, 2, "file", ROOT, "new"));
    OK(__wasi_fd_close(folder));
}

static void symbolic_links(void) {
    OK(__wasi_path_symlink("file", ROOT, "link"));
    CHECK(reads_link("link", "file"));
    FAILS(EXIST, __wasi_path_symlink("file", ROOT, "link"));
    FAILS(EXIST, __wasi_path_symlink("file", ROOT, "folder"));
    FAILS(NOENT, __wasi_path_symlink("file", ROOT, "missing/link"));
    FAILS(NOENT, __wasi_path_symlink("file", ROOT, ""));
    FAILS(NOTDIR, __wasi_path_symlink("file", ROOT, "file/link"));
    FAILS_ANY(NOENT, NOTDIR, EXIST, __wasi_path_symlink("file", ROOT, "new/"));
    CHECK(!exists("new"));

    __wasi_filestat_t status, target;
    OK(__wasi_path_filestat_get(ROOT, 0, "link", &status));
    CHECK(status.filetype == __WASI_FILETYPE_SYMBOLIC_LINK && status.size == 4);
    OK(__wasi_path_filestat_get(ROOT, FOLLOW, "link", &status));
    OK(__wasi_path_filestat_get(ROOT, 0, "file", &target));
    CHECK(status.filetype == __WASI_FILETYPE_REGULAR_FILE && status.ino == target.ino);

    // Relative to where the link is, not to where one looks from.
    OK(__wasi_path_symlink("../file", ROOT, "folder/up"));
    OK(__wasi_path_symlink("folder", ROOT, "to_folder"));
    CHECK(has_text("folder/up", "file"));
    CHECK(has_text("to_folder/up", "file"));
    CHECK(has_text("to_folder/third", "file"));
    fd_t fd;
    static const char *const directories[] = {"to_folder", "to_folder/", "to_folder/.", "folder/"};
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        uint8_t entries[256];
        __wasi_size_t used = 0;
        OK(try_open(ROOT, directories[i], ONLY_DIRECTORY, RIGHT(FD_READDIR), &fd));
        OK(__wasi_fd_readdir(fd, entries, sizeof entries, 0, &used));
        CHECK(used > 0);
        OK(__wasi_fd_close(fd));
    }
    FAILS_EITHER(LOOP, NOTDIR, __wasi_path_open(ROOT, 0, "to_folder", ONLY_DIRECTORY, RIGHT(FD_READDIR), 0, 0, &fd));

    // A slash at the end asks for the directory behind the link.
    OK(__wasi_path_filestat_get(ROOT, 0, "to_folder/", &status));
    CHECK(status.filetype == __WASI_FILETYPE_DIRECTORY);
    FAILS(NOTDIR, __wasi_path_filestat_get(ROOT, FOLLOW, "link/", &status));
}

static void reading_links(void) {
    uint8_t buffer[8];
    __wasi_size_t used;
    memset(buffer, '?', sizeof buffer);
    OK(__wasi_path_readlink(ROOT, "link", buffer, 2, &used));
    CHECK(used == 2 && memcmp(buffer, "fi??", 4) == 0);
    OK(__wasi_path_readlink(ROOT, "link", buffer, 4, &used));
    CHECK(used == 4 && memcmp(buffer, "file????", 8) == 0);
    FAILS(INVAL, __wasi_path_readlink(ROOT, "file", buffer, sizeof buffer, &used));
    FAILS(INVAL, __wasi_path_readlink(ROOT, "folder", buffer, sizeof buffer, &used));
    FAILS(NOENT, __wasi_path_readlink(ROOT, "missing", buffer, sizeof buffer, &used));
    FAILS(NOENT, __wasi_path_readlink(ROOT, "", buffer, sizeof buffer, &used));
    FAILS(NOTDIR, __wasi_path_readlink(ROOT, "file/x", buffer, sizeof buffer, &used));
}

static void loops(void) {
    fd_t fd;
    __wasi_filestat_t status;
    OK(__wasi_path_symlink("self", ROOT, "self"));
    OK(__wasi_path_symlink("pong", ROOT, "ping"));
    OK(__wasi_path_symlink("ping", ROOT, "pong"));
    FAILS(LOOP, try_open(ROOT, "self", 0, RIGHT(FD_READ), &fd));
    FAILS(LOOP, try_open(ROOT, "ping", 0, RIGHT(FD_READ), &fd));
    FAILS(LOOP, try_open(ROOT, "ping/file", 0, RIGHT(FD_READ), &fd));
    FAILS(LOOP, try_open(ROOT, "self", CREATE, FILE_RIGHTS, &fd));
    FAILS(LOOP, __wasi_path_filestat_get(ROOT, FOLLOW, "pong", &status));
    FAILS(LOOP, __wasi_path_create_directory(ROOT, "self/new"));
    OK(__wasi_path_filestat_get(ROOT, 0, "pong", &status));
    CHECK(status.filetype == __WASI_FILETYPE_SYMBOLIC_LINK);

    // Some links in a row are fine, a hundred are too many.
    char link[] = "chain-000", target[] = "chain-000";
    OK(make_file(target, "end"));
    for (int i = 1; i <= 100; i++) {
        memcpy(target, link, sizeof link);
        link[6] = (char)('0' + i / 100);
        link[7] = (char)('0' + i / 10 % 10);
        link[8] = (char)('0' + i % 10);
        OK(__wasi_path_symlink(target, ROOT, link));
    }
    CHECK(has_text("chain-008", "end"));
    FAILS(LOOP, try_open(ROOT, "chain-100", 0, RIGHT(FD_READ), &fd));
}

int main(void) {
    hard_links();
    symbolic_links();
    reading_links();
    loops();
    return finish();
}
