// Attempts to leave the preopen, by every function that takes a path: none of them may see, make, change or remove
// anything outside.
//
// Beside the preopen's folder on the host are `canary` (a file), `outside` (a folder with a file `secret`), and
// within it links of the host's making: `to_canary` -> ../canary, `to_outside` -> ../outside, `absolute` -> the
// absolute path of `outside`, `to_proc` -> /proc/self. The first argument is the absolute path of the folder that
// holds all of these.

#include "test.h"

// Every call with a path that leads outside, to something that is there (a file).
static void refuses_file(fd_t directory, const char *path) {
    __wasi_filestat_t status;
    fd_t fd;
    const int before = failures;
    REFUSED(try_open(directory, path, 0, RIGHT(FD_READ), &fd));
    REFUSED(try_open(directory, path, 0, FILE_RIGHTS, &fd));
    REFUSED(try_open(directory, path, CREATE, FILE_RIGHTS, &fd));
    REFUSED(try_open(directory, path, CREATE | TRUNCATE, FILE_RIGHTS, &fd));
    REFUSED(try_open(directory, path, TRUNCATE, FILE_RIGHTS, &fd));
    REFUSED(__wasi_path_filestat_get(directory, FOLLOW, path, &status));
    REFUSED(__wasi_path_filestat_set_times(directory, FOLLOW, path, 0, 0, __WASI_FSTFLAGS_MTIM));
    if (failures != before) {
        put(2, "    with the path ");
        put(2, path);
        put(2, "\n");
    }
}

// Every call that looks at a directory outside.
static void refuses_directory(fd_t directory, const char *path) {
    __wasi_filestat_t status;
    fd_t fd;
    const int before = failures;
    REFUSED(try_open(directory, path, 0, RIGHT(FD_READDIR), &fd));
    REFUSED(try_open(directory, path, ONLY_DIRECTORY, RIGHT(FD_READDIR), &fd));
    REFUSED(__wasi_path_open(directory, FOLLOW, path, ONLY_DIRECTORY, DIRECTORY_RIGHTS, DIRECTORY_RIGHTS, 0, &fd));
    REFUSED(__wasi_path_filestat_get(directory, FOLLOW, path, &status));
    REFUSED(__wasi_path_filestat_set_times(directory, FOLLOW, path, 0, 0, __WASI_FSTFLAGS_MTIM));
    if (failures != before) {
        put(2, "    with the path ");
        put(2, path);
        put(2, "\n");
    }
}

// Every call that goes through a directory outside, whether it wants the name there or not.
static void refuses_path(fd_t directory, const char *path) {
    uint8_t buffer[64];
    __wasi_size_t done;
    __wasi_filestat_t status;
    fd_t fd;
    const int before = failures;
    REFUSED(__wasi_path_open(directory, 0, path, 0, RIGHT(FD_READ), 0, 0, &fd));
    REFUSED(__wasi_path_open(directory, 0, path, CREATE | EXCLUSIVE, FILE_RIGHTS, 0, 0, &fd));
    REFUSED(__wasi_path_open(directory, FOLLOW, path, ONLY_DIRECTORY, RIGHT(FD_READDIR), 0, 0, &fd));
    REFUSED(__wasi_path_filestat_get(directory, 0, path, &status));
    REFUSED(__wasi_path_filestat_set_times(directory, 0, path, 0, 0, __WASI_FSTFLAGS_MTIM));
    REFUSED(__wasi_path_create_directory(directory, path));
    REFUSED(__wasi_path_remove_directory(directory, path));
    REFUSED(__wasi_path_unlink_file(directory, path));
    REFUSED(__wasi_path_readlink(directory, path, buffer, sizeof buffer, &done));
    REFUSED(__wasi_path_symlink("file", directory, path));
    REFUSED(__wasi_path_link(directory, 0, path, ROOT, "stolen"));
    REFUSED(__wasi_path_link(ROOT, 0, "file", directory, path));
    REFUSED(__wasi_path_rename(directory, path, ROOT, "stolen"));
    REFUSED(__wasi_path_rename(ROOT, "file", directory, path));
    if (failures != before) {
        put(2, "    with the path ");
        put(2, path);
        put(2, "\n");
    }
    refuses_file(directory, path);
    CHECK(!exists("stolen") && has_text("file", "file"));
}

// A path below a folder.
static const char *joined(const char *folder, const char *name) {
    static char path[4096];
    size_t length = strlen(folder);
    memcpy(path, folder, length);
    path[length] = '/';
    memcpy(path + length + 1, name, strlen(name) + 1);
    return path;
}

static void dots(void) {
    refuses_path(ROOT, "../canary");
    refuses_path(ROOT, "../new");
    refuses_path(ROOT, "./../canary");
    refuses_path(ROOT, "folder/../../canary");
    refuses_path(ROOT, "folder/.././folder/../../outside/secret");
    refuses_path(ROOT, "../../../../../../../../../../../../etc/passwd");
    // Back inside by its own name is outside in between.
    refuses_path(ROOT, "../sandbox/file");
    refuses_directory(ROOT, "..");
    refuses_directory(ROOT, "../");
    refuses_directory(ROOT, "folder/../..");

    // A directory's descriptor is a root of its own.
    fd_t folder = OPEN_DIRECTORY("folder");
    refuses_path(folder, "../file");
    refuses_path(folder, "inner/../../file");
    refuses_directory(folder, "..");
    // Even when it was moved since.
    OK(__wasi_path_rename(ROOT, "folder", ROOT, "other/moved"));
    refuses_path(folder, "../file");
    refuses_path(folder, "../../../canary");
    CHECK(has_text_at(folder, "inner/file", "inner"));
    OK(__wasi_path_rename(ROOT, "other/moved", ROOT, "folder"));
    OK(__wasi_fd_close(folder));
}

static void absolute_paths(const char *host) {
    // What ends with a slash can be refused for that, too.
    FAILS_ANY(NOTCAPABLE, PERM, NOTDIR, __wasi_path_rename(ROOT, "file", ROOT, "/"));
    refuses_directory(ROOT, "/");
    refuses_path(ROOT, "/etc/passwd");
    refuses_path(ROOT, "/new");
    refuses_path(ROOT, "//etc/passwd");
    // The preopen's own names are no way in: that of the guest, and those of the host.
    refuses_path(ROOT, "/sandbox/file");
    refuses_path(ROOT, "/file");
    refuses_path(ROOT, joined(host, "canary"));
    refuses_path(ROOT, joined(host, "sandbox/file"));
    refuses_path(ROOT, "/proc/self/environ");
    refuses_path(ROOT, "/proc/self/cwd/canary");
    refuses_path(ROOT, "/dev/null");
}

// Links that the host made.
static void links_of_the_host(void) {
    refuses_file(ROOT, "to_canary");
    refuses_directory(ROOT, "to_outside");
    refuses_directory(ROOT, "to_outside/");
    refuses_path(ROOT, "to_outside/secret");
    refuses_path(ROOT, "to_outside/new");
    refuses_path(ROOT, "to_outside/../canary");
    refuses_path(ROOT, "to_outside/../sandbox/file");
    refuses_path(ROOT, "absolute/secret");
    refuses_path(ROOT, "absolute/new");
    refuses_path(ROOT, "to_proc/environ");
    refuses_path(ROOT, "to_proc/cwd/canary");
    refuses_path(ROOT, "to_proc/root/etc/passwd");
    refuses_file(ROOT, "to_proc/fd/0");
    // The links themselves are the guest's.
    uint8_t buffer[64];
    __wasi_size_t used;
    OK(__wasi_path_readlink(ROOT, "to_canary", buffer, sizeof buffer, &used));
    CHECK(used == 9 && memcmp(buffer, "../canary", 9) == 0);
    OK(__wasi_path_rename(ROOT, "to_canary", ROOT, "renamed"));
    refuses_file(ROOT, "renamed");
    OK(__wasi_path_link(ROOT, 0, "renamed", ROOT, "linked"));
    refuses_file(ROOT, "linked");
    // To follow one while linking would bring in what is outside.
    CHECK(__wasi_path_link(ROOT, FOLLOW, "renamed", ROOT, "stolen") != __WASI_ERRNO_SUCCESS);
    CHECK(!exists("stolen"));
    OK(__wasi_path_unlink_file(ROOT, "linked"));
    OK(__wasi_path_unlink_file(ROOT, "renamed"));
}

// Links that the guest makes. It may be refused to make them; those that it could are not followed.
static void makes(const char *target, const char *path) {
    errno_t error = __wasi_path_symlink(target, ROOT, path);
    if (error == __WASI_ERRNO_SUCCESS) {
        refuses_file(ROOT, path);
    } else {
        CHECK(error == __WASI_ERRNO_NOTCAPABLE || error == __WASI_ERRNO_PERM);
        CHECK(!exists(path));
    }
}

static void links_of_the_guest(const char *host) {
    makes("/etc/passwd", "made1");
    makes("/", "made2");
    makes(joined(host, "canary"), "made3");
    makes("/proc/self/environ", "made4");
    makes("../canary", "made5");
    makes("../sandbox/file", "made6");
    makes("folder/../../canary", "made7");
    makes("..", "made8");
    makes("../../outside/secret", "folder/made9");
    makes("../../canary", "folder/made10");
    // One that leads outside only from where it is moved to.
    OK(__wasi_path_symlink("../../canary", ROOT, "folder/inner/moves"));
    OK(__wasi_path_rename(ROOT, "folder/inner/moves", ROOT, "folder/moves"));
    refuses_file(ROOT, "folder/moves");
    OK(__wasi_path_link(ROOT, 0, "folder/moves", ROOT, "moves"));
    refuses_file(ROOT, "moves");
    // A directory under such a link is pulled up.
    OK(__wasi_path_symlink("../../file", ROOT, "folder/inner/up"));
    CHECK(has_text("folder/inner/up", "file"));
    OK(__wasi_path_rename(ROOT, "folder/inner", ROOT, "pulled"));
    refuses_file(ROOT, "pulled/up");
    // A chain of links, each of them harmless.
    OK(__wasi_path_symlink("pulled", ROOT, "chain1"));
    OK(__wasi_path_symlink("chain1/up", ROOT, "chain2"));
    refuses_file(ROOT, "chain2");
    // From a directory's descriptor, a link up is one out.
    fd_t pulled = OPEN_DIRECTORY("pulled");
    OK(__wasi_path_symlink("../file", pulled, "near"));
    CHECK(has_text("pulled/near", "file"));
    refuses_file(pulled, "near");
    OK(__wasi_fd_close(pulled));
    // Through a dangling link out, nothing is made.
    errno_t error = __wasi_path_symlink("../new", ROOT, "dangling");
    if (error == __WASI_ERRNO_SUCCESS) {
        refuses_file(ROOT, "dangling");
    }
}

int main(int argc, char **argv) {
    if (!CHECK(argc == 2)) {
        return finish();
    }
    OK(make_file("file", "file"));
    OK(__wasi_path_create_directory(ROOT, "other"));
    OK(__wasi_path_create_directory(ROOT, "folder"));
    OK(__wasi_path_create_directory(ROOT, "folder/inner"));
    OK(make_file("folder/inner/file", "inner"));
    dots();
    absolute_paths(argv[1]);
    links_of_the_host();
    links_of_the_guest(argv[1]);
    return finish();
}
