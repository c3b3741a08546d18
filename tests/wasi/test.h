// What all programs in this folder share: expectations that print where they failed, and the few calls that set a
// scene. Nothing here needs more of libc than its start-up code.
//
// A program runs with a fresh folder as its first preopen, descriptor 3. It goes on after a failed expectation, and
// `return finish();` at its end makes the exit status 0 or 1.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <wasi/api.h>

typedef __wasi_errno_t errno_t;
typedef __wasi_fd_t fd_t;
typedef __wasi_rights_t rights_t;

// The first preopen.
#define ROOT 3
// No descriptor ever has this number.
#define NO_FD 12345

#define FOLLOW __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW

#define RIGHT(name) ((rights_t)__WASI_RIGHTS_##name)

// What can be done with a regular file.
#define FILE_RIGHTS                                                                                                    \
    (RIGHT(FD_DATASYNC) | RIGHT(FD_READ) | RIGHT(FD_SEEK) | RIGHT(FD_FDSTAT_SET_FLAGS) | RIGHT(FD_SYNC) |              \
     RIGHT(FD_TELL) | RIGHT(FD_WRITE) | RIGHT(FD_ADVISE) | RIGHT(FD_ALLOCATE) | RIGHT(FD_FILESTAT_GET) |               \
     RIGHT(FD_FILESTAT_SET_SIZE) | RIGHT(FD_FILESTAT_SET_TIMES) | RIGHT(POLL_FD_READWRITE))

// What can be done with a directory.
#define DIRECTORY_RIGHTS                                                                                               \
    (RIGHT(FD_FDSTAT_SET_FLAGS) | RIGHT(FD_SYNC) | RIGHT(PATH_CREATE_DIRECTORY) | RIGHT(PATH_CREATE_FILE) |            \
     RIGHT(PATH_LINK_SOURCE) | RIGHT(PATH_LINK_TARGET) | RIGHT(PATH_OPEN) | RIGHT(FD_READDIR) | RIGHT(PATH_READLINK) | \
     RIGHT(PATH_RENAME_SOURCE) | RIGHT(PATH_RENAME_TARGET) | RIGHT(PATH_FILESTAT_GET) |                                \
     RIGHT(PATH_FILESTAT_SET_SIZE) | RIGHT(PATH_FILESTAT_SET_TIMES) | RIGHT(FD_FILESTAT_GET) |                         \
     RIGHT(FD_FILESTAT_SET_TIMES) | RIGHT(PATH_SYMLINK) | RIGHT(PATH_REMOVE_DIRECTORY) | RIGHT(PATH_UNLINK_FILE))

#define CREATE __WASI_OFLAGS_CREAT
#define EXCLUSIVE __WASI_OFLAGS_EXCL
#define TRUNCATE __WASI_OFLAGS_TRUNC
#define ONLY_DIRECTORY __WASI_OFLAGS_DIRECTORY

// ---- Expectations

#define CHECK(condition) check(condition, __FILE_NAME__, __LINE__, #condition)
#define OK(call) expect(call, 1, (errno_t[]){__WASI_ERRNO_SUCCESS}, __FILE_NAME__, __LINE__, #call)
#define FAILS(error, call) expect(call, 1, (errno_t[]){__WASI_ERRNO_##error}, __FILE_NAME__, __LINE__, #call)
// For what POSIX and the specification of WASI leave to the implementation.
#define FAILS_EITHER(error, other, call)                                                                               \
    expect(call, 2, (errno_t[]){__WASI_ERRNO_##error, __WASI_ERRNO_##other}, __FILE_NAME__, __LINE__, #call)
#define FAILS_ANY(first, second, third, call)                                                                          \
    expect(call, 3, (errno_t[]){__WASI_ERRNO_##first, __WASI_ERRNO_##second, __WASI_ERRNO_##third}, __FILE_NAME__,     \
           __LINE__, #call)
// A path that leads out of its preopen.
#define REFUSED(call)                                                                                                  \
    expect(call, 2, (errno_t[]){__WASI_ERRNO_NOTCAPABLE, __WASI_ERRNO_PERM}, __FILE_NAME__, __LINE__, #call)

static const char *const errno_names[] = {
    "SUCCESS",     "2BIG",      "ACCES",        "ADDRINUSE",     "ADDRNOTAVAIL", "AFNOSUPPORT", "AGAIN",
    "ALREADY",     "BADF",      "BADMSG",       "BUSY",          "CANCELED",     "CHILD",       "CONNABORTED",
    "CONNREFUSED", "CONNRESET", "DEADLK",       "DESTADDRREQ",   "DOM",          "DQUOT",       "EXIST",
    "FAULT",       "FBIG",      "HOSTUNREACH",  "IDRM",          "ILSEQ",        "INPROGRESS",  "INTR",
    "INVAL",       "IO",        "ISCONN",       "ISDIR",         "LOOP",         "MFILE",       "MLINK",
    "MSGSIZE",     "MULTIHOP",  "NAMETOOLONG",  "NETDOWN",       "NETRESET",     "NETUNREACH",  "NFILE",
    "NOBUFS",      "NODEV",     "NOENT",        "NOEXEC",        "NOLCK",        "NOLINK",      "NOMEM",
    "NOMSG",       "NOPROTOOPT", "NOSPC",       "NOSYS",         "NOTCONN",      "NOTDIR",      "NOTEMPTY",
    "NOTRECOVERABLE", "NOTSOCK", "NOTSUP",      "NOTTY",         "NXIO",         "OVERFLOW",    "OWNERDEAD",
    "PERM",        "PIPE",      "PROTO",        "PROTONOSUPPORT", "PROTOTYPE",   "RANGE",       "ROFS",
    "SPIPE",       "SRCH",      "STALE",        "TIMEDOUT",      "TXTBSY",       "XDEV",        "NOTCAPABLE",
};

static int failures = 0;

__attribute__((unused)) static void put(fd_t fd, const char *text) {
    size_t length = strlen(text);
    while (length > 0) {
        __wasi_ciovec_t vector = {(const uint8_t *)text, length};
        __wasi_size_t written = 0;
        if (__wasi_fd_write(fd, &vector, 1, &written) != __WASI_ERRNO_SUCCESS || written == 0) {
            return;
        }
        text += written;
        length -= written;
    }
}

__attribute__((unused)) static void put_number(fd_t fd, uint64_t number) {
    char digits[24];
    char *start = digits + sizeof digits - 1;
    *start = 0;
    do {
        *--start = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    put(fd, start);
}

static const char *errno_name(errno_t error) {
    return error < sizeof errno_names / sizeof *errno_names ? errno_names[error] : "no error number";
}

static void failed(const char *file, int line, const char *what) {
    failures++;
    put(2, file);
    put(2, ":");
    put_number(2, (uint64_t)line);
    put(2, ": ");
    put(2, what);
}

__attribute__((unused)) static bool check(bool holds, const char *file, int line, const char *what) {
    if (!holds) {
        failed(file, line, what);
        put(2, " does not hold\n");
    }
    return holds;
}

__attribute__((unused)) static bool expect(errno_t got, int count, const errno_t *expected, const char *file, int line,
                                           const char *what) {
    for (int i = 0; i < count; i++) {
        if (got == expected[i]) {
            return true;
        }
    }
    failed(file, line, what);
    put(2, " returned ");
    put(2, errno_name(got));
    put(2, ", not ");
    for (int i = 0; i < count; i++) {
        put(2, i == 0 ? "" : " or ");
        put(2, errno_name(expected[i]));
    }
    put(2, "\n");
    return false;
}

__attribute__((unused)) static int finish(void) {
    return failures == 0 ? 0 : 1;
}

// ---- Setting a scene

__attribute__((unused)) static errno_t try_open(fd_t directory, const char *path, __wasi_oflags_t flags,
                                                rights_t rights, fd_t *fd) {
    *fd = NO_FD;
    return __wasi_path_open(directory, FOLLOW, path, flags, rights, rights, 0, fd);
}

// Opens a file for everything that files can do.
#define OPEN_FILE(path, flags)                                                                                         \
    ({                                                                                                                 \
        fd_t opened;                                                                                                   \
        OK(try_open(ROOT, path, flags, FILE_RIGHTS, &opened));                                                         \
        opened;                                                                                                        \
    })

// Opens a directory; whatever is opened through it may do everything.
#define OPEN_DIRECTORY(path)                                                                                           \
    ({                                                                                                                 \
        fd_t opened = NO_FD;                                                                                           \
        OK(__wasi_path_open(ROOT, FOLLOW, path, ONLY_DIRECTORY, DIRECTORY_RIGHTS, DIRECTORY_RIGHTS | FILE_RIGHTS, 0,   \
                            &opened));                                                                                 \
        opened;                                                                                                        \
    })

__attribute__((unused)) static errno_t write_text(fd_t fd, const char *text, __wasi_size_t *written) {
    __wasi_ciovec_t vector = {(const uint8_t *)text, strlen(text)};
    *written = 0;
    return __wasi_fd_write(fd, &vector, 1, written);
}

__attribute__((unused)) static errno_t read_bytes(fd_t fd, void *buffer, size_t length, __wasi_size_t *read) {
    __wasi_iovec_t vector = {buffer, length};
    *read = 0;
    return __wasi_fd_read(fd, &vector, 1, read);
}

__attribute__((unused)) static errno_t read_bytes_at(fd_t fd, void *buffer, size_t length, uint64_t offset,
                                                     __wasi_size_t *read) {
    __wasi_iovec_t vector = {buffer, length};
    *read = 0;
    return __wasi_fd_pread(fd, &vector, 1, offset, read);
}

// Makes a file in the first preopen.
__attribute__((unused)) static errno_t make_file(const char *path, const char *text) {
    fd_t fd;
    errno_t error = try_open(ROOT, path, CREATE | TRUNCATE, FILE_RIGHTS, &fd);
    if (error != __WASI_ERRNO_SUCCESS) {
        return error;
    }
    __wasi_size_t written;
    error = write_text(fd, text, &written);
    errno_t closed = __wasi_fd_close(fd);
    return error != __WASI_ERRNO_SUCCESS ? error : closed;
}

// A file below a directory reads exactly so.
__attribute__((unused)) static bool has_text_at(fd_t directory, const char *path, const char *text) {
    fd_t fd;
    if (try_open(directory, path, 0, RIGHT(FD_READ), &fd) != __WASI_ERRNO_SUCCESS) {
        return false;
    }
    char buffer[256];
    __wasi_size_t read;
    errno_t error = read_bytes(fd, buffer, sizeof buffer, &read);
    errno_t closed = __wasi_fd_close(fd);
    return error == __WASI_ERRNO_SUCCESS && closed == __WASI_ERRNO_SUCCESS && read == strlen(text) &&
           memcmp(buffer, text, read) == 0;
}

__attribute__((unused)) static bool has_text(const char *path, const char *text) {
    return has_text_at(ROOT, path, text);
}

__attribute__((unused)) static bool exists(const char *path) {
    __wasi_filestat_t status;
    return __wasi_path_filestat_get(ROOT, 0, path, &status) == __WASI_ERRNO_SUCCESS;
}
