// path_open: which files and directories it opens, creates and truncates, and what it refuses.

#include "raw.h"
#include "test.h"

static rights_t rights_of(fd_t fd) {
    __wasi_fdstat_t status;
    OK(__wasi_fd_fdstat_get(fd, &status));
    return status.fs_rights_base;
}

static void creates_and_truncates(void) {
    fd_t fd;
    FAILS(NOENT, try_open(ROOT, "new", 0, FILE_RIGHTS, &fd));
    fd = OPEN_FILE("new", CREATE | EXCLUSIVE);
    CHECK(fd > ROOT);
    __wasi_filestat_t status;
    OK(__wasi_fd_filestat_get(fd, &status));
    CHECK(status.filetype == __WASI_FILETYPE_REGULAR_FILE);
    CHECK(status.size == 0);
    CHECK(status.nlink == 1);
    __wasi_size_t written;
    OK(write_text(fd, "text", &written));
    CHECK(written == 4);

    fd_t other;
    FAILS(EXIST, try_open(ROOT, "new", CREATE | EXCLUSIVE, FILE_RIGHTS, &other));
    other = OPEN_FILE("new", CREATE);
    CHECK(other != fd);
    CHECK(has_text("new", "text"));
    OK(__wasi_fd_close(other));
    other = OPEN_FILE("new", TRUNCATE);
    CHECK(has_text("new", ""));
    OK(__wasi_fd_close(other));
    OK(__wasi_fd_close(fd));
}

static void wants_directories(void) {
    OK(make_file("file", ""));
    OK(__wasi_path_create_directory(ROOT, "folder"));
    fd_t fd;
    FAILS(NOENT, try_open(ROOT, "missing/file", CREATE, FILE_RIGHTS, &fd));
    FAILS(NOTDIR, try_open(ROOT, "file/below", CREATE, FILE_RIGHTS, &fd));
    FAILS(NOTDIR, try_open(ROOT, "file", ONLY_DIRECTORY, RIGHT(FD_READDIR), &fd));
    FAILS(NOTDIR, try_open(ROOT, "file/", 0, RIGHT(FD_READ), &fd));
    FAILS(NOTDIR, try_open(ROOT, "file/.", 0, RIGHT(FD_READ), &fd));
    FAILS(INVAL, try_open(ROOT, "made", CREATE | ONLY_DIRECTORY, RIGHT(FD_READDIR), &fd));
    CHECK(!exists("made"));
    FAILS_ANY(ISDIR, NOENT, NOTDIR, try_open(ROOT, "made/", CREATE, FILE_RIGHTS, &fd));
    CHECK(!exists("made"));
    FAILS(EXIST, try_open(ROOT, "folder", CREATE | EXCLUSIVE, FILE_RIGHTS, &fd));

    // A file is no place to look below.
    fd_t file = OPEN_FILE("file", 0);
    FAILS_EITHER(NOTDIR, NOTCAPABLE, try_open(file, "file", 0, RIGHT(FD_READ), &fd));
    OK(__wasi_fd_close(file));

    // Without the flag, a directory opens too, but never to be written.
    OK(try_open(ROOT, "folder", 0, RIGHT(FD_READDIR), &fd));
    OK(__wasi_fd_close(fd));
    errno_t error = try_open(ROOT, "folder", 0, RIGHT(FD_READ) | RIGHT(FD_WRITE), &fd);
    if (error == __WASI_ERRNO_SUCCESS) {
        CHECK((rights_of(fd) & RIGHT(FD_WRITE)) == 0);
        OK(__wasi_fd_close(fd));
    } else {
        CHECK(error == __WASI_ERRNO_ISDIR);
    }
    FAILS_ANY(ISDIR, INVAL, NOTDIR, try_open(ROOT, "folder", TRUNCATE, FILE_RIGHTS, &fd));
}

static void resolves_paths(void) {
    OK(__wasi_path_create_directory(ROOT, "deep"));
    OK(__wasi_path_create_directory(ROOT, "deep/er"));
    OK(make_file("deep/er/file", "deep"));
    CHECK(has_text("deep//er///file", "deep"));
    CHECK(has_text("./deep/./er/./file", "deep"));
    CHECK(has_text("deep/er/../er/file", "deep"));
    CHECK(has_text("deep/../deep/er/../../deep/er/file", "deep"));
    CHECK(!has_text("deep/missing/../er/file", "deep"));
    fd_t deep = OPEN_DIRECTORY("deep/");
    CHECK(has_text_at(deep, "er/file", "deep"));
    CHECK(has_text_at(deep, "./er/file", "deep"));
    // Up and down again, within what was opened.
    CHECK(has_text_at(deep, "er/../er/file", "deep"));
    fd_t self = NO_FD;
    OK(try_open(deep, ".", ONLY_DIRECTORY, RIGHT(FD_READDIR) | RIGHT(FD_FILESTAT_GET), &self));
    __wasi_filestat_t of_deep, of_self;
    OK(__wasi_fd_filestat_get(deep, &of_deep));
    OK(__wasi_fd_filestat_get(self, &of_self));
    CHECK(of_deep.ino == of_self.ino && of_deep.dev == of_self.dev);
    CHECK(of_deep.filetype == __WASI_FILETYPE_DIRECTORY);
    OK(__wasi_fd_close(self));
    OK(__wasi_fd_close(deep));
    FAILS(NOENT, try_open(ROOT, "", CREATE, FILE_RIGHTS, &self));
}

static void follows_links_when_told(void) {
    OK(make_file("target", "target"));
    OK(__wasi_path_symlink("target", ROOT, "link"));
    OK(__wasi_path_symlink("nowhere", ROOT, "dangling"));
    CHECK(has_text("link", "target"));
    fd_t fd = NO_FD;
    FAILS(LOOP, __wasi_path_open(ROOT, 0, "link", 0, RIGHT(FD_READ), 0, 0, &fd));
    FAILS(LOOP, __wasi_path_open(ROOT, 0, "dangling", 0, RIGHT(FD_READ), 0, 0, &fd));
    FAILS(NOENT, try_open(ROOT, "dangling", 0, RIGHT(FD_READ), &fd));
    FAILS(EXIST, try_open(ROOT, "dangling", CREATE | EXCLUSIVE, FILE_RIGHTS, &fd));
    CHECK(!exists("nowhere"));
    // What a dangling link names is made in its place.
    fd = OPEN_FILE("dangling", CREATE);
    CHECK(exists("nowhere"));
    OK(__wasi_fd_close(fd));
}

static void refuses_unknown_flags(void) {
    OK(make_file("flags", ""));
    const uint32_t path = ADDRESS("flags");
    fd_t fd = NO_FD;
    CHECK(raw_path_open(ROOT, 2, path, 5, 0, RIGHT(FD_READ), 0, 0, ADDRESS(&fd)) == __WASI_ERRNO_INVAL);
    CHECK(raw_path_open(ROOT, 0, path, 5, 16, RIGHT(FD_READ), 0, 0, ADDRESS(&fd)) == __WASI_ERRNO_INVAL);
    CHECK(raw_path_open(ROOT, 0, path, 5, 0, RIGHT(FD_READ), 0, 32, ADDRESS(&fd)) == __WASI_ERRNO_INVAL);
    CHECK(fd == NO_FD);
}

int main(void) {
    creates_and_truncates();
    wants_directories();
    resolves_paths();
    follows_links_when_told();
    refuses_unknown_flags();
    return finish();
}
