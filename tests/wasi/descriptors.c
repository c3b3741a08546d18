// Descriptors that are not open, in every function that takes one; fd_close, fd_renumber and the preopens.

#include "raw.h"
#include "test.h"

// Every function that takes a descriptor says that this one is none.
static void is_not_open(fd_t fd) {
    uint8_t buffer[64];
    __wasi_size_t done;
    __wasi_filesize_t position;
    __wasi_fdstat_t fdstat;
    __wasi_filestat_t status;
    __wasi_prestat_t prestat;
    __wasi_roflags_t flags;
    fd_t opened;
    __wasi_iovec_t in = {buffer, 1};
    __wasi_ciovec_t out = {buffer, 1};
    FAILS(BADF, __wasi_fd_advise(fd, 0, 1, 0));
    FAILS(BADF, __wasi_fd_allocate(fd, 0, 1));
    FAILS(BADF, __wasi_fd_close(fd));
    FAILS(BADF, __wasi_fd_datasync(fd));
    FAILS(BADF, __wasi_fd_fdstat_get(fd, &fdstat));
    FAILS(BADF, __wasi_fd_fdstat_set_flags(fd, 0));
    FAILS(BADF, __wasi_fd_fdstat_set_rights(fd, 0, 0));
    FAILS(BADF, __wasi_fd_filestat_get(fd, &status));
    FAILS(BADF, __wasi_fd_filestat_set_size(fd, 0));
    FAILS(BADF, __wasi_fd_filestat_set_times(fd, 0, 0, 0));
    FAILS(BADF, __wasi_fd_pread(fd, &in, 1, 0, &done));
    FAILS(BADF, __wasi_fd_prestat_get(fd, &prestat));
    FAILS(BADF, __wasi_fd_prestat_dir_name(fd, buffer, sizeof buffer));
    FAILS(BADF, __wasi_fd_pwrite(fd, &out, 1, 0, &done));
    FAILS(BADF, __wasi_fd_read(fd, &in, 1, &done));
    FAILS(BADF, __wasi_fd_readdir(fd, buffer, sizeof buffer, 0, &done));
    FAILS(BADF, __wasi_fd_renumber(fd, ROOT));
    FAILS(BADF, __wasi_fd_seek(fd, 0, __WASI_WHENCE_SET, &position));
    FAILS(BADF, __wasi_fd_sync(fd));
    FAILS(BADF, __wasi_fd_tell(fd, &position));
    FAILS(BADF, __wasi_fd_write(fd, &out, 1, &done));
    FAILS(BADF, __wasi_path_create_directory(fd, "x"));
    FAILS(BADF, __wasi_path_filestat_get(fd, 0, "x", &status));
    FAILS(BADF, __wasi_path_filestat_set_times(fd, 0, "x", 0, 0, 0));
    FAILS(BADF, __wasi_path_link(fd, 0, "file", ROOT, "x"));
    FAILS(BADF, __wasi_path_link(ROOT, 0, "file", fd, "x"));
    FAILS(BADF, __wasi_path_open(fd, 0, "x", 0, 0, 0, 0, &opened));
    FAILS(BADF, __wasi_path_readlink(fd, "x", buffer, sizeof buffer, &done));
    FAILS(BADF, __wasi_path_remove_directory(fd, "x"));
    FAILS(BADF, __wasi_path_rename(fd, "file", ROOT, "x"));
    FAILS(BADF, __wasi_path_rename(ROOT, "file", fd, "x"));
    FAILS(BADF, __wasi_path_symlink("x", fd, "x"));
    FAILS(BADF, __wasi_path_unlink_file(fd, "x"));
    FAILS(BADF, __wasi_sock_accept(fd, 0, &opened));
    FAILS(BADF, __wasi_sock_recv(fd, &in, 1, 0, &done, &flags));
    FAILS(BADF, __wasi_sock_send(fd, &out, 1, 0, &done));
    FAILS(BADF, __wasi_sock_shutdown(fd, __WASI_SDFLAGS_RD));
    CHECK(has_text("file", "file"));
}

// A file is no directory, for every function that looks below one.
static void is_no_directory(fd_t fd) {
    uint8_t buffer[64];
    __wasi_size_t done;
    __wasi_filestat_t status;
    FAILS_EITHER(NOTDIR, NOTCAPABLE, __wasi_path_create_directory(fd, "x"));
    FAILS_EITHER(NOTDIR, NOTCAPABLE, __wasi_path_filestat_get(fd, 0, "x", &status));
    FAILS_EITHER(NOTDIR, NOTCAPABLE, __wasi_path_filestat_set_times(fd, 0, "x", 0, 0, 0));
    FAILS_EITHER(NOTDIR, NOTCAPABLE, __wasi_path_link(fd, 0, "file", ROOT, "x"));
    FAILS_EITHER(NOTDIR, NOTCAPABLE, __wasi_path_link(ROOT, 0, "file", fd, "x"));
    FAILS_EITHER(NOTDIR, NOTCAPABLE, __wasi_path_readlink(fd, "x", buffer, sizeof buffer, &done));
    FAILS_EITHER(NOTDIR, NOTCAPABLE, __wasi_path_remove_directory(fd, "x"));
    FAILS_EITHER(NOTDIR, NOTCAPABLE, __wasi_path_rename(fd, "file", ROOT, "x"));
    FAILS_EITHER(NOTDIR, NOTCAPABLE, __wasi_path_rename(ROOT, "file", fd, "x"));
    FAILS_EITHER(NOTDIR, NOTCAPABLE, __wasi_path_symlink("x", fd, "x"));
    FAILS_EITHER(NOTDIR, NOTCAPABLE, __wasi_path_unlink_file(fd, "x"));
}

static void preopens(void) {
    __wasi_prestat_t prestat;
    OK(__wasi_fd_prestat_get(ROOT, &prestat));
    CHECK(prestat.tag == __WASI_PREOPENTYPE_DIR);
    // The host calls it so.
    const char *name = "/sandbox";
    CHECK(prestat.u.dir.pr_name_len == strlen(name));
    uint8_t buffer[32];
    memset(buffer, '?', sizeof buffer);
    OK(__wasi_fd_prestat_dir_name(ROOT, buffer, (__wasi_size_t)strlen(name)));
    CHECK(memcmp(buffer, name, strlen(name)) == 0 && buffer[strlen(name)] == '?');
    FAILS_ANY(NAMETOOLONG, NOBUFS, INVAL, __wasi_fd_prestat_dir_name(ROOT, buffer, 3));

    fd_t file = OPEN_FILE("file", 0);
    FAILS_ANY(BADF, INVAL, NOTSUP, __wasi_fd_prestat_get(file, &prestat));
    FAILS_ANY(BADF, INVAL, NOTSUP, __wasi_fd_prestat_dir_name(file, buffer, sizeof buffer));
    fd_t directory = OPEN_DIRECTORY(".");
    FAILS_ANY(BADF, INVAL, NOTSUP, __wasi_fd_prestat_get(directory, &prestat));
    FAILS_ANY(BADF, INVAL, NOTSUP, __wasi_fd_prestat_get(1, &prestat));
    OK(__wasi_fd_close(directory));
    OK(__wasi_fd_close(file));
    // There is no other.
    FAILS(BADF, __wasi_fd_prestat_get(ROOT + 1, &prestat));
}

static void renumbers(void) {
    OK(make_file("one", "one"));
    OK(make_file("two", "two"));
    fd_t one = OPEN_FILE("one", 0), two = OPEN_FILE("two", 0);
    uint8_t byte;
    __wasi_size_t done;
    OK(read_bytes(one, &byte, 1, &done));
    OK(__wasi_fd_renumber(one, one));
    OK(__wasi_fd_renumber(one, two));
    is_not_open(one);
    // The position came along.
    OK(read_bytes(two, &byte, 1, &done));
    CHECK(byte == 'n');
    FAILS(BADF, __wasi_fd_renumber(one, two));
    FAILS(BADF, __wasi_fd_renumber(NO_FD, two));
    FAILS(BADF, __wasi_fd_renumber(two, NO_FD));
    FAILS(BADF, __wasi_fd_renumber(NO_FD, NO_FD));
    OK(read_bytes(two, &byte, 1, &done));
    CHECK(byte == 'e');
    OK(__wasi_fd_close(two));
}

static void closes(void) {
    fd_t fd = OPEN_FILE("file", 0);
    OK(__wasi_fd_close(fd));
    is_not_open(fd);
    // Two descriptors of one file are two.
    fd_t one = OPEN_FILE("file", 0), two = OPEN_FILE("file", 0);
    OK(__wasi_fd_close(one));
    uint8_t byte;
    __wasi_size_t done;
    OK(read_bytes(two, &byte, 1, &done));
    CHECK(done == 1 && byte == 'f');
    is_no_directory(two);
    OK(__wasi_fd_close(two));
    // What was opened through a directory outlives its descriptor.
    fd_t directory = OPEN_DIRECTORY(".");
    fd_t file;
    OK(try_open(directory, "file", 0, RIGHT(FD_READ), &file));
    OK(__wasi_fd_close(directory));
    OK(read_bytes(file, &byte, 1, &done));
    CHECK(done == 1);
    OK(__wasi_fd_close(file));
}

int main(void) {
    OK(make_file("file", "file"));
    is_not_open(NO_FD);
    is_not_open((fd_t)-1);
    is_not_open(0x7fffffff);
    preopens();
    renumbers();
    closes();

    // The preopen can be closed too; nothing can be opened then.
    fd_t fd;
    OK(__wasi_fd_close(ROOT));
    FAILS(BADF, try_open(ROOT, "file", 0, RIGHT(FD_READ), &fd));
    __wasi_prestat_t prestat;
    FAILS(BADF, __wasi_fd_prestat_get(ROOT, &prestat));
    return finish();
}
