// Rights: fd_fdstat_get, fd_fdstat_set_rights, what a descriptor without a right refuses, and inheritance.

#include "test.h"

static __wasi_fdstat_t status_of(fd_t fd) {
    __wasi_fdstat_t status = {0};
    OK(__wasi_fd_fdstat_get(fd, &status));
    return status;
}

// A file that may do everything but these.
static fd_t file_without(rights_t rights) {
    fd_t fd;
    OK(try_open(ROOT, "file", 0, FILE_RIGHTS & ~rights, &fd));
    return fd;
}

// A directory that may do everything but these, and whose files may do everything.
static fd_t directory_without(rights_t rights) {
    fd_t fd = NO_FD;
    OK(__wasi_path_open(ROOT, 0, "folder", ONLY_DIRECTORY, DIRECTORY_RIGHTS & ~rights, DIRECTORY_RIGHTS | FILE_RIGHTS,
                        0, &fd));
    return fd;
}

#define FILE_WITHOUT(right, call)                                                                                      \
    do {                                                                                                               \
        fd_t fd = file_without(RIGHT(right));                                                                          \
        FAILS(NOTCAPABLE, call);                                                                                       \
        OK(__wasi_fd_close(fd));                                                                                       \
    } while (0)

#define DIRECTORY_WITHOUT(right, call)                                                                                 \
    do {                                                                                                               \
        fd_t fd = directory_without(RIGHT(right));                                                                     \
        FAILS(NOTCAPABLE, call);                                                                                       \
        OK(__wasi_fd_close(fd));                                                                                       \
    } while (0)

static void files_need_rights(void) {
    uint8_t buffer[8];
    __wasi_size_t done;
    __wasi_filesize_t position;
    __wasi_filestat_t status;
    __wasi_ciovec_t out = {buffer, 1};
    FILE_WITHOUT(FD_READ, read_bytes(fd, buffer, 1, &done));
    FILE_WITHOUT(FD_READ, read_bytes_at(fd, buffer, 1, 0, &done));
    FILE_WITHOUT(FD_SEEK, read_bytes_at(fd, buffer, 1, 0, &done));
    FILE_WITHOUT(FD_WRITE, write_text(fd, "x", &done));
    FILE_WITHOUT(FD_WRITE, __wasi_fd_pwrite(fd, &out, 1, 0, &done));
    FILE_WITHOUT(FD_SEEK, __wasi_fd_pwrite(fd, &out, 1, 0, &done));
    FILE_WITHOUT(FD_SEEK, __wasi_fd_seek(fd, 1, __WASI_WHENCE_CUR, &position));
    FILE_WITHOUT(FD_SEEK, __wasi_fd_seek(fd, 0, __WASI_WHENCE_SET, &position));
    FILE_WITHOUT(FD_FDSTAT_SET_FLAGS, __wasi_fd_fdstat_set_flags(fd, 0));
    FILE_WITHOUT(FD_SYNC, __wasi_fd_sync(fd));
    FILE_WITHOUT(FD_DATASYNC, __wasi_fd_datasync(fd));
    FILE_WITHOUT(FD_ADVISE, __wasi_fd_advise(fd, 0, 1, 0));
    FILE_WITHOUT(FD_ALLOCATE, __wasi_fd_allocate(fd, 0, 1));
    FILE_WITHOUT(FD_FILESTAT_GET, __wasi_fd_filestat_get(fd, &status));
    FILE_WITHOUT(FD_FILESTAT_SET_SIZE, __wasi_fd_filestat_set_size(fd, 1));
    FILE_WITHOUT(FD_FILESTAT_SET_TIMES, __wasi_fd_filestat_set_times(fd, 0, 0, __WASI_FSTFLAGS_MTIM));
    CHECK(has_text("file", "file"));

    // The right to seek includes the right to tell, and the right to tell is one to seek nowhere.
    fd_t fd = file_without(RIGHT(FD_SEEK) | RIGHT(FD_TELL));
    FAILS(NOTCAPABLE, __wasi_fd_tell(fd, &position));
    FAILS(NOTCAPABLE, __wasi_fd_seek(fd, 0, __WASI_WHENCE_CUR, &position));
    OK(__wasi_fd_close(fd));
    fd = file_without(RIGHT(FD_SEEK));
    OK(__wasi_fd_tell(fd, &position));
    OK(__wasi_fd_seek(fd, 0, __WASI_WHENCE_CUR, &position));
    OK(__wasi_fd_close(fd));
    fd = file_without(RIGHT(FD_TELL));
    OK(__wasi_fd_tell(fd, &position));
    OK(__wasi_fd_close(fd));
}

static void directories_need_rights(void) {
    uint8_t buffer[64];
    __wasi_size_t done;
    __wasi_filestat_t status;
    fd_t opened;
    DIRECTORY_WITHOUT(PATH_CREATE_DIRECTORY, __wasi_path_create_directory(fd, "new"));
    DIRECTORY_WITHOUT(PATH_CREATE_FILE, try_open(fd, "new", CREATE, RIGHT(FD_READ), &opened));
    DIRECTORY_WITHOUT(PATH_LINK_SOURCE, __wasi_path_link(fd, 0, "inner", ROOT, "new"));
    DIRECTORY_WITHOUT(PATH_LINK_TARGET, __wasi_path_link(ROOT, 0, "file", fd, "new"));
    DIRECTORY_WITHOUT(PATH_OPEN, try_open(fd, "inner", 0, RIGHT(FD_READ), &opened));
    DIRECTORY_WITHOUT(FD_READDIR, __wasi_fd_readdir(fd, buffer, sizeof buffer, 0, &done));
    DIRECTORY_WITHOUT(PATH_READLINK, __wasi_path_readlink(fd, "link", buffer, sizeof buffer, &done));
    DIRECTORY_WITHOUT(PATH_RENAME_SOURCE, __wasi_path_rename(fd, "inner", ROOT, "new"));
    DIRECTORY_WITHOUT(PATH_RENAME_TARGET, __wasi_path_rename(ROOT, "file", fd, "new"));
    DIRECTORY_WITHOUT(PATH_FILESTAT_GET, __wasi_path_filestat_get(fd, 0, "inner", &status));
    DIRECTORY_WITHOUT(PATH_FILESTAT_SET_SIZE, try_open(fd, "inner", TRUNCATE, FILE_RIGHTS, &opened));
    DIRECTORY_WITHOUT(PATH_FILESTAT_SET_TIMES,
                      __wasi_path_filestat_set_times(fd, 0, "inner", 0, 0, __WASI_FSTFLAGS_MTIM));
    DIRECTORY_WITHOUT(FD_FILESTAT_GET, __wasi_fd_filestat_get(fd, &status));
    DIRECTORY_WITHOUT(FD_FILESTAT_SET_TIMES, __wasi_fd_filestat_set_times(fd, 0, 0, __WASI_FSTFLAGS_MTIM));
    DIRECTORY_WITHOUT(PATH_SYMLINK, __wasi_path_symlink("inner", fd, "new"));
    DIRECTORY_WITHOUT(PATH_REMOVE_DIRECTORY, __wasi_path_remove_directory(fd, "empty"));
    DIRECTORY_WITHOUT(PATH_UNLINK_FILE, __wasi_path_unlink_file(fd, "inner"));
    CHECK(has_text("folder/inner", "inner") && has_text("file", "file"));
    CHECK(!exists("new") && !exists("folder/new") && exists("folder/empty"));
}

static void rights_only_shrink(void) {
    fd_t fd = file_without(0);
    __wasi_fdstat_t status = status_of(fd);
    CHECK(status.fs_filetype == __WASI_FILETYPE_REGULAR_FILE && status.fs_flags == 0);
    CHECK(status.fs_rights_base == FILE_RIGHTS);
    OK(__wasi_fd_fdstat_set_rights(fd, status.fs_rights_base, status.fs_rights_inheriting));
    const rights_t fewer = RIGHT(FD_READ) | RIGHT(FD_SEEK) | RIGHT(FD_TELL);
    OK(__wasi_fd_fdstat_set_rights(fd, fewer, 0));
    status = status_of(fd);
    CHECK(status.fs_rights_base == fewer && status.fs_rights_inheriting == 0);
    FAILS(NOTCAPABLE, __wasi_fd_fdstat_set_rights(fd, fewer | RIGHT(FD_WRITE), 0));
    FAILS(NOTCAPABLE, __wasi_fd_fdstat_set_rights(fd, fewer, RIGHT(FD_READ)));
    CHECK(status_of(fd).fs_rights_base == fewer);
    __wasi_size_t done;
    FAILS(NOTCAPABLE, write_text(fd, "x", &done));
    OK(__wasi_fd_close(fd));
    // What one descriptor lost, another one still has.
    fd = file_without(0);
    OK(write_text(fd, "file", &done));
    OK(__wasi_fd_close(fd));
}

static void rights_are_inherited(void) {
    // What is opened through this directory may be read at most.
    const rights_t inheriting = RIGHT(FD_READ) | RIGHT(FD_SEEK) | RIGHT(FD_TELL) | RIGHT(PATH_OPEN);
    fd_t fd = NO_FD, file, below = NO_FD;
    OK(__wasi_path_open(ROOT, 0, "folder", ONLY_DIRECTORY, DIRECTORY_RIGHTS, inheriting, 0, &fd));
    __wasi_fdstat_t status = status_of(fd);
    CHECK(status.fs_filetype == __WASI_FILETYPE_DIRECTORY);
    CHECK(status.fs_rights_base == DIRECTORY_RIGHTS);
    CHECK(status.fs_rights_inheriting == inheriting);
    OK(try_open(fd, "inner", 0, RIGHT(FD_READ), &file));
    CHECK(status_of(file).fs_rights_base == RIGHT(FD_READ));
    OK(__wasi_fd_close(file));
    FAILS(NOTCAPABLE, try_open(fd, "inner", 0, RIGHT(FD_READ) | RIGHT(FD_WRITE), &file));
    FAILS(NOTCAPABLE, try_open(fd, "new", CREATE, RIGHT(FD_WRITE), &file));
    CHECK(!exists("folder/new"));
    FAILS(NOTCAPABLE, __wasi_path_open(fd, 0, ".", ONLY_DIRECTORY, RIGHT(PATH_OPEN),
                                       inheriting | RIGHT(FD_WRITE), 0, &below));

    // Two levels below, no right comes back.
    OK(__wasi_path_open(fd, 0, ".", ONLY_DIRECTORY, RIGHT(PATH_OPEN), RIGHT(FD_READ), 0, &below));
    OK(try_open(below, "inner", 0, RIGHT(FD_READ), &file));
    OK(__wasi_fd_close(file));
    FAILS(NOTCAPABLE, try_open(below, "inner", 0, RIGHT(FD_READ) | RIGHT(FD_SEEK), &file));
    FAILS(NOTCAPABLE, __wasi_path_create_directory(below, "new"));
    FAILS(NOTCAPABLE, try_open(below, "inner", TRUNCATE, RIGHT(FD_READ), &file));
    OK(__wasi_fd_close(below));
    OK(__wasi_fd_close(fd));
    CHECK(has_text("folder/inner", "inner"));
}

int main(void) {
    __wasi_fdstat_t root = status_of(ROOT);
    CHECK(root.fs_filetype == __WASI_FILETYPE_DIRECTORY);
    CHECK((root.fs_rights_base & DIRECTORY_RIGHTS) == DIRECTORY_RIGHTS);
    CHECK((root.fs_rights_inheriting & FILE_RIGHTS) == FILE_RIGHTS);

    OK(make_file("file", "file"));
    OK(__wasi_path_create_directory(ROOT, "folder"));
    OK(__wasi_path_create_directory(ROOT, "folder/empty"));
    OK(make_file("folder/inner", "inner"));
    OK(__wasi_path_symlink("inner", ROOT, "folder/link"));
    files_need_rights();
    directories_need_rights();
    rights_only_shrink();
    rights_are_inherited();
    return finish();
}
