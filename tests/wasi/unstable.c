// Preview 0, `wasi_unstable`: where its numbers and layouts differ from preview 1's. All imports of this program are of
// preview 0, which is why nothing of libc but its memory functions is here.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMPORT(name) __attribute__((import_module("wasi_unstable"), import_name(#name)))

typedef struct {
    const void *start;
    uint32_t length;
} vector_t;

// As in preview 1, but for the number of links, which has 32 bits.
typedef struct {
    uint64_t device, inode;
    uint8_t type;
    uint32_t links;
    uint64_t size, accessed, modified, changed;
} status_t;

// With an identifier that preview 1 no longer has.
typedef struct {
    uint64_t userdata;
    uint8_t tag;
    union {
        struct {
            uint64_t identifier;
            uint32_t clock;
            uint64_t timeout, precision;
            uint16_t flags;
        } clock;
        uint32_t fd;
    };
} subscription_t;

typedef struct {
    uint64_t userdata;
    uint16_t error;
    uint8_t type;
    uint64_t bytes;
    uint16_t flags;
} event_t;

_Static_assert(sizeof(status_t) == 56, "as long as in the specification");
_Static_assert(sizeof(subscription_t) == 56, "as long as in the specification");
_Static_assert(sizeof(event_t) == 32, "as long as in the specification");

IMPORT(args_sizes_get) int32_t args_sizes_get(uint32_t *count, uint32_t *size);
IMPORT(args_get) int32_t args_get(char **pointers, char *buffer);
IMPORT(clock_time_get) int32_t clock_time_get(uint32_t clock, uint64_t precision, uint64_t *time);
IMPORT(fd_close) int32_t fd_close(uint32_t fd);
IMPORT(fd_filestat_get) int32_t fd_filestat_get(uint32_t fd, status_t *status);
IMPORT(fd_prestat_get) int32_t fd_prestat_get(uint32_t fd, uint32_t *prestat);
IMPORT(fd_read) int32_t fd_read(uint32_t fd, const vector_t *vectors, uint32_t count, uint32_t *done);
IMPORT(fd_readdir)
int32_t fd_readdir(uint32_t fd, void *buffer, uint32_t length, uint64_t cookie, uint32_t *used);
IMPORT(fd_seek) int32_t fd_seek(uint32_t fd, int64_t offset, uint32_t whence, uint64_t *position);
IMPORT(fd_tell) int32_t fd_tell(uint32_t fd, uint64_t *position);
IMPORT(fd_write) int32_t fd_write(uint32_t fd, const vector_t *vectors, uint32_t count, uint32_t *done);
IMPORT(path_filestat_get)
int32_t path_filestat_get(uint32_t fd, uint32_t flags, const char *path, uint32_t length, status_t *status);
IMPORT(path_link)
int32_t path_link(uint32_t old_fd, uint32_t flags, const char *old_path, uint32_t old_length, uint32_t new_fd,
                  const char *new_path, uint32_t new_length);
IMPORT(path_open)
int32_t path_open(uint32_t fd, uint32_t lookup, const char *path, uint32_t length, uint32_t flags, uint64_t rights,
                  uint64_t inheriting, uint32_t fdflags, uint32_t *opened);
IMPORT(path_unlink_file) int32_t path_unlink_file(uint32_t fd, const char *path, uint32_t length);
IMPORT(poll_oneoff)
int32_t poll_oneoff(const subscription_t *subscriptions, event_t *events, uint32_t count, uint32_t *stored);
IMPORT(proc_exit) _Noreturn void proc_exit(uint32_t status);
IMPORT(sched_yield) int32_t sched_yield(void);

enum { ROOT = 3, BADF = 8, INVAL = 28, NOENT = 44, SET = 2, CUR = 0, END = 1 };

static bool has_failed = false;

static uint32_t length_of(const char *text) {
    uint32_t length = 0;
    while (text[length]) {
        length++;
    }
    return length;
}

static void print(uint32_t fd, const char *text) {
    vector_t vector = {text, length_of(text)};
    uint32_t done;
    fd_write(fd, &vector, 1, &done);
}

static void check(bool holds, const char *place) {
    if (!holds) {
        has_failed = true;
        print(2, place);
    }
}

#define TEXT(number) #number
#define LINE(number) TEXT(number)
#define CHECK(condition) check(condition, __FILE_NAME__ ":" LINE(__LINE__) ": " #condition " does not hold\n")

static void positions(void) {
    uint32_t fd = 0, done;
    uint64_t position;
    CHECK(path_open(ROOT, 0, "file", 4, 1, ~0ull & 0x1fffffff, 0, 0, &fd) == 0 && fd > ROOT);
    vector_t vector = {"0123456789", 10};
    CHECK(fd_write(fd, &vector, 1, &done) == 0 && done == 10);
    // The three are numbered differently here.
    CHECK(fd_seek(fd, 4, SET, &position) == 0 && position == 4);
    CHECK(fd_seek(fd, 2, CUR, &position) == 0 && position == 6);
    CHECK(fd_seek(fd, -1, END, &position) == 0 && position == 9);
    CHECK(fd_seek(fd, -1, SET, &position) == INVAL);
    CHECK(fd_seek(fd, 0, 3, &position) == INVAL);
    CHECK(fd_tell(fd, &position) == 0 && position == 9);
    char byte = 0;
    vector_t in = {&byte, 1};
    CHECK(fd_read(fd, &in, 1, &done) == 0 && done == 1 && byte == '9');

    // Sixteen bytes beyond what is stored stay as they were.
    struct {
        status_t status;
        uint64_t behind;
    } space = {.behind = 0xa5a5a5a5a5a5a5a5};
    CHECK(path_link(ROOT, 0, "file", 4, ROOT, "second", 6) == 0);
    CHECK(fd_filestat_get(fd, &space.status) == 0);
    CHECK(space.status.type == 4 && space.status.links == 2 && space.status.size == 10);
    CHECK(space.status.modified > 1704000000ull * 1000000000 && space.behind == 0xa5a5a5a5a5a5a5a5);
    CHECK(path_filestat_get(ROOT, 0, "second", 6, &space.status) == 0);
    CHECK(space.status.links == 2 && space.status.size == 10 && space.behind == 0xa5a5a5a5a5a5a5a5);
    CHECK(path_unlink_file(ROOT, "second", 6) == 0);
    CHECK(path_filestat_get(ROOT, 0, "second", 6, &space.status) == NOENT);
    CHECK(fd_close(fd) == 0 && fd_close(fd) == BADF);
}

static void entries(void) {
    uint64_t buffer[64];
    uint32_t used = 0;
    // `.`, `..` and the file, in the file system's order.
    for (uint64_t cookie = 0; cookie < 3; cookie++) {
        CHECK(fd_readdir(ROOT, buffer, sizeof buffer, cookie, &used) == 0);
        CHECK(used > 24 && buffer[0] == cookie + 1);
    }
    CHECK(fd_readdir(ROOT, buffer, sizeof buffer, 3, &used) == 0 && used == 0);
    CHECK(fd_readdir(ROOT, buffer, sizeof buffer, 4, &used) == 0 && used == 0);
}

static void polls(void) {
    subscription_t subscriptions[2] = {0};
    event_t events[2];
    uint32_t stored = 0;
    uint64_t start = 0, end = 0;
    subscriptions[0].userdata = 5;
    subscriptions[0].clock.identifier = 99;
    subscriptions[0].clock.clock = 1;
    subscriptions[0].clock.timeout = 3000000;
    CHECK(clock_time_get(1, 0, &start) == 0);
    CHECK(poll_oneoff(subscriptions, events, 1, &stored) == 0 && stored == 1);
    CHECK(clock_time_get(1, 0, &end) == 0 && end - start >= 3000000);
    CHECK(events[0].userdata == 5 && events[0].error == 0 && events[0].type == 0);
    subscriptions[0].clock.timeout = 1000000000000ull;
    subscriptions[1].userdata = 6;
    subscriptions[1].tag = 2;
    subscriptions[1].fd = 1;
    CHECK(poll_oneoff(subscriptions, events, 2, &stored) == 0 && stored == 1);
    CHECK(events[0].userdata == 6 && events[0].error == 0 && events[0].type == 2);
    CHECK(poll_oneoff(subscriptions, events, 0, &stored) == INVAL);
}

void _start(void) {
    uint32_t count = 0, size = 0, prestat[2];
    char *pointers[4], buffer[64];
    CHECK(args_sizes_get(&count, &size) == 0 && count == 1 && size == sizeof "unstable");
    CHECK(args_get(pointers, buffer) == 0 && pointers[0] == buffer && length_of(buffer) == 8);
    CHECK(fd_prestat_get(ROOT, prestat) == 0 && (prestat[0] & 0xff) == 0 && prestat[1] == 8);
    CHECK(sched_yield() == 0);
    positions();
    entries();
    polls();
    print(1, "unstable\n");
    proc_exit(has_failed ? 1 : 0);
}
