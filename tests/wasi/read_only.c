// A preopen that the host gives to be read only: everything in it can be looked at and nothing changed.
//
// The host made `file`, `folder` and `folder/inner`.

#include "test.h"

int main(void) {
    fd_t fd;
    __wasi_filestat_t status;
    CHECK(has_text("file", "file") && has_text("folder/inner", "inner"));
    OK(__wasi_path_filestat_get(ROOT, 0, "folder", &status));
    FAILS_ANY(ROFS, NOTCAPABLE, PERM, try_open(ROOT, "file", 0, RIGHT(FD_WRITE), &fd));
    FAILS_ANY(ROFS, NOTCAPABLE, PERM, try_open(ROOT, "file", TRUNCATE, RIGHT(FD_READ), &fd));
    FAILS_ANY(ROFS, NOTCAPABLE, PERM, try_open(ROOT, "new", CREATE, RIGHT(FD_READ), &fd));
    FAILS_ANY(ROFS, NOTCAPABLE, PERM, __wasi_path_create_directory(ROOT, "new"));
    FAILS_ANY(ROFS, NOTCAPABLE, PERM, __wasi_path_remove_directory(ROOT, "folder"));
    FAILS_ANY(ROFS, NOTCAPABLE, PERM, __wasi_path_unlink_file(ROOT, "file"));
    FAILS_ANY(ROFS, NOTCAPABLE, PERM, __wasi_path_rename(ROOT, "file", ROOT, "new"));
    FAILS_ANY(ROFS, NOTCAPABLE, PERM, __wasi_path_link(ROOT, 0, "file", ROOT, "new"));
    FAILS_ANY(ROFS, NOTCAPABLE, PERM, __wasi_path_symlink("file", ROOT, "new"));
    FAILS_ANY(ROFS, NOTCAPABLE, PERM,
              __wasi_path_filestat_set_times(ROOT, 0, "file", 0, 0, __WASI_FSTFLAGS_MTIM));
    FAILS_ANY(ROFS, NOTCAPABLE, PERM, __wasi_fd_filestat_set_times(ROOT, 0, 0, __WASI_FSTFLAGS_MTIM));

    OK(try_open(ROOT, "file", 0, RIGHT(FD_READ) | RIGHT(FD_FILESTAT_GET), &fd));
    __wasi_size_t done;
    FAILS_EITHER(NOTCAPABLE, BADF, write_text(fd, "x", &done));
    FAILS_EITHER(NOTCAPABLE, BADF, __wasi_fd_filestat_set_size(fd, 0));
    OK(__wasi_fd_close(fd));

    // Nor through a directory that was opened in it.
    fd_t folder = NO_FD;
    OK(__wasi_path_open(ROOT, 0, "folder", ONLY_DIRECTORY, RIGHT(PATH_OPEN) | RIGHT(FD_READDIR), RIGHT(FD_READ), 0,
                        &folder));
    CHECK(has_text_at(folder, "inner", "inner"));
    FAILS_ANY(ROFS, NOTCAPABLE, PERM, try_open(folder, "inner", 0, RIGHT(FD_WRITE), &fd));
    FAILS_ANY(ROFS, NOTCAPABLE, PERM, try_open(folder, "new", CREATE, RIGHT(FD_READ), &fd));
    FAILS_ANY(ROFS, NOTCAPABLE, PERM, __wasi_path_unlink_file(folder, "inner"));
    OK(__wasi_fd_close(folder));
    CHECK(has_text("file", "file") && has_text("folder/inner", "inner") && !exists("new"));
    return finish();
}
