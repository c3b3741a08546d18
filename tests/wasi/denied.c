// Files of the host that this process may not use: `locked` (no permission at all), `sealed` (a directory that may be
// read but not written). The host runs this only as a user to whom permissions apply.

#include "test.h"

int main(void) {
    fd_t fd;
    __wasi_filestat_t status;
    FAILS(ACCES, try_open(ROOT, "locked", 0, RIGHT(FD_READ), &fd));
    FAILS(ACCES, try_open(ROOT, "locked", 0, RIGHT(FD_WRITE), &fd));
    OK(__wasi_path_filestat_get(ROOT, 0, "locked", &status));
    FAILS(ACCES, try_open(ROOT, "sealed/new", CREATE, FILE_RIGHTS, &fd));
    FAILS(ACCES, __wasi_path_create_directory(ROOT, "sealed/new"));
    FAILS(ACCES, __wasi_path_unlink_file(ROOT, "sealed/file"));
    FAILS(ACCES, __wasi_path_rename(ROOT, "sealed/file", ROOT, "file"));
    FAILS(ACCES, __wasi_path_symlink("file", ROOT, "sealed/new"));
    FAILS(ACCES, __wasi_path_link(ROOT, 0, "sealed/file", ROOT, "sealed/new"));
    CHECK(has_text("sealed/file", "file"));
    return finish();
}
