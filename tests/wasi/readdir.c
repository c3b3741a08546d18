// fd_readdir: complete lists, whatever the size of the buffer, and cookies that count entries and start again where they
// were taken.

#include "test.h"

#define FILES 100
// Besides the files: a directory and a link.
#define ENTRIES (FILES + 2)
#define MOST (ENTRIES + 2)

typedef struct {
    char name[64];
    __wasi_dirent_t head;
} entry_t;

static entry_t all[MOST + 1];
static uint8_t buffer[16 << 10];

// Reads what one call gives, without entries that are cut off. Entries that did not fit are asked for again from the
// cookie of the last whole one. Returns how many were whole, and whether the end was reached.
static int read_some(fd_t fd, size_t length, uint64_t cookie, entry_t *entries, int room, bool *at_end) {
    __wasi_size_t used = 0;
    *at_end = true;
    if (!OK(__wasi_fd_readdir(fd, buffer, length, cookie, &used)) || !CHECK(used <= length)) {
        return 0;
    }
    *at_end = used < length;
    int count = 0;
    size_t at = 0;
    while (at + sizeof(__wasi_dirent_t) <= used && count < room) {
        entry_t *entry = entries + count;
        memcpy(&entry->head, buffer + at, sizeof entry->head);
        at += sizeof entry->head;
        if (at + entry->head.d_namlen > used) {
            break;
        }
        if (!CHECK(entry->head.d_namlen < sizeof entry->name)) {
            break;
        }
        memcpy(entry->name, buffer + at, entry->head.d_namlen);
        entry->name[entry->head.d_namlen] = 0;
        at += entry->head.d_namlen;
        count++;
    }
    return count;
}

// Reads a directory from a cookie to its end.
static int read_all(fd_t fd, size_t length, uint64_t cookie, entry_t *entries, int room) {
    int count = 0;
    bool at_end = false;
    while (!at_end && count < room) {
        int more = read_some(fd, length, cookie, entries + count, room - count, &at_end);
        if (!at_end && !CHECK(more > 0)) {
            break;
        }
        count += more;
        cookie = count > 0 ? entries[count - 1].head.d_next : cookie;
    }
    return count;
}

static bool same_entries(const entry_t *one, const entry_t *other, int count) {
    for (int i = 0; i < count; i++) {
        if (strcmp(one[i].name, other[i].name) != 0 || one[i].head.d_ino != other[i].head.d_ino ||
            one[i].head.d_next != other[i].head.d_next) {
            return false;
        }
    }
    return true;
}

static void name_of(int i, char *name) {
    memcpy(name, "file-00", 8);
    name[5] = (char)('0' + i / 10);
    name[6] = (char)('0' + i % 10);
}

// Whatever positions the file system has, the entry behind the first is 1, and so on.
static void counts_entries(fd_t fd, int count) {
    for (int i = 0; i < count; i++) {
        CHECK(all[i].head.d_next == (uint64_t)i + 1);
    }
    // Also for who has read nothing yet.
    static entry_t rest[MOST + 1];
    fd_t other = OPEN_DIRECTORY("list");
    CHECK(read_all(other, sizeof buffer, 50, rest, MOST + 1) == count - 50);
    CHECK(same_entries(rest, all + 50, count - 50));
    // Each reads for itself, and a descriptor keeps its cookies under another number.
    __wasi_size_t used;
    OK(__wasi_fd_readdir(other, buffer, sizeof(__wasi_dirent_t), 0, &used));
    CHECK(read_all(fd, sizeof buffer, 70, rest, MOST + 1) == count - 70);
    CHECK(same_entries(rest, all + 70, count - 70));
    fd_t third = OPEN_DIRECTORY("list/sub");
    OK(__wasi_fd_renumber(other, third));
    CHECK(read_all(third, 100, 1, rest, MOST + 1) == count - 1);
    CHECK(same_entries(rest, all + 1, count - 1));
    OK(__wasi_fd_close(third));
}

static int find(const entry_t *entries, int count, const char *name) {
    for (int i = 0; i < count; i++) {
        if (strcmp(entries[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

// A cookie means the same place when there are more and fewer entries, and what stays is read exactly once.
static void keeps_its_place_when_entries_change(fd_t fd, int count) {
    static entry_t rest[MOST + FILES + 1];
    int middle = count / 2;
    bool removed[MOST] = {false};
    for (int i = 0; i < count; i += 3) {
        if (strncmp(all[i].name, "file-", 5) == 0) {
            OK(__wasi_path_unlink_file(fd, all[i].name));
            removed[i] = true;
        }
    }
    for (int i = 0; i < FILES; i++) {
        char path[] = "list/more-00";
        name_of(i, path + 5);
        memcpy(path + 5, "more", 4);
        OK(make_file(path, ""));
    }
    int left = read_all(fd, sizeof buffer, all[middle].head.d_next, rest, MOST + FILES + 1);
    for (int i = 0; i < count; i++) {
        int times = 0;
        for (int j = 0; j < left; j++) {
            times += strcmp(rest[j].name, all[i].name) == 0;
        }
        CHECK(times == (i > middle && !removed[i]));
    }
    // All that were given before and after the change.
    static entry_t again[MOST + FILES + 1];
    for (int i = middle + 1; i < count; i++) {
        int from = i;
        while (from < count && removed[from]) {
            from++;
        }
        if (from < count) {
            int got = read_all(fd, sizeof buffer, all[i - 1].head.d_next, again, MOST + FILES + 1);
            CHECK(find(again, got, all[from].name) >= 0 && find(again, got, all[middle].name) < 0);
        }
    }
    for (int i = 0; i < left; i += 5) {
        int got = read_all(fd, sizeof buffer, rest[i].head.d_next, again, MOST + FILES + 1);
        CHECK(got == left - i - 1 && same_entries(again, rest + i + 1, got));
    }
    // From the start again, they are counted anew.
    int now = read_all(fd, sizeof buffer, 0, again, MOST + FILES + 1);
    for (int i = 0; i < now; i++) {
        CHECK(again[i].head.d_next == (uint64_t)i + 1);
    }
}

static void lists_everything_once(fd_t fd, int count) {
    int files = 0, others = 0;
    for (int i = 0; i < count; i++) {
        const char *name = all[i].name;
        for (int j = 0; j < i; j++) {
            CHECK(strcmp(name, all[j].name) != 0);
        }
        if (strcmp(name, "..") == 0) {
            CHECK(all[i].head.d_type == __WASI_FILETYPE_DIRECTORY);
            continue;
        }
        __wasi_filestat_t status;
        OK(__wasi_path_filestat_get(fd, 0, name, &status));
        CHECK(status.filetype == all[i].head.d_type);
        CHECK(status.ino == all[i].head.d_ino);
        if (strcmp(name, ".") == 0) {
            CHECK(status.filetype == __WASI_FILETYPE_DIRECTORY);
        } else if (strcmp(name, "sub") == 0) {
            others++;
            CHECK(status.filetype == __WASI_FILETYPE_DIRECTORY);
        } else if (strcmp(name, "link") == 0) {
            others++;
            CHECK(status.filetype == __WASI_FILETYPE_SYMBOLIC_LINK);
        } else {
            files++;
            CHECK(status.filetype == __WASI_FILETYPE_REGULAR_FILE);
        }
    }
    CHECK(files == FILES && others == 2);
}

static void starts_again_at_cookies(fd_t fd, int count) {
    static entry_t rest[MOST + 1];
    for (int i = 0; i < count; i += 7) {
        int left = read_all(fd, sizeof buffer, all[i].head.d_next, rest, MOST + 1);
        CHECK(left == count - i - 1);
        CHECK(same_entries(rest, all + i + 1, left));
    }
    // Behind the last entry is nothing.
    const uint64_t ends[] = {all[count - 1].head.d_next, (uint64_t)count + 1, INT32_MAX, 1ull << 40, ~0ull};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        __wasi_size_t used = 99;
        OK(__wasi_fd_readdir(fd, buffer, sizeof buffer, ends[i], &used));
        CHECK(used == 0);
    }
    // It did not move what is read from here on.
    CHECK(read_all(fd, sizeof buffer, 0, rest, MOST + 1) == count);
}

static void fits_small_buffers(fd_t fd, int count) {
    static entry_t again[MOST + 1];
    const size_t lengths[] = {sizeof(__wasi_dirent_t) + 7, sizeof(__wasi_dirent_t) + 8, 63, 64, 100, 1000, 4096};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        int got = read_all(fd, lengths[i], 0, again, MOST + 1);
        CHECK(got == count);
        CHECK(same_entries(again, all, got));
    }
    // What does not fit is cut off, so that a full buffer tells that there is more.
    __wasi_size_t used = 99;
    for (size_t length = 0; length <= sizeof(__wasi_dirent_t); length++) {
        memset(buffer, 0xa5, sizeof buffer);
        OK(__wasi_fd_readdir(fd, buffer, length, 0, &used));
        CHECK(used == length);
        CHECK(buffer[length] == 0xa5);
        CHECK(memcmp(buffer, &all[0].head.d_next, length < 8 ? length : 8) == 0);
    }
    // What lies between the fields is nothing of the host's.
    for (size_t i = offsetof(__wasi_dirent_t, d_type) + 1; i < sizeof(__wasi_dirent_t); i++) {
        CHECK(buffer[i] == 0);
    }
}

int main(void) {
    OK(__wasi_path_create_directory(ROOT, "list"));
    fd_t fd = OPEN_DIRECTORY("list");
    bool at_end;
    int count = read_some(fd, sizeof buffer, 0, all, MOST + 1, &at_end);
    CHECK(at_end && count <= 2);
    for (int i = 0; i < FILES; i++) {
        char path[] = "list/file-00";
        name_of(i, path + 5);
        OK(make_file(path, ""));
    }
    OK(__wasi_path_create_directory(fd, "sub"));
    OK(__wasi_path_symlink("file-00", fd, "link"));

    count = read_some(fd, sizeof buffer, 0, all, MOST + 1, &at_end);
    CHECK(at_end && count >= ENTRIES && count <= MOST);
    lists_everything_once(fd, count);
    counts_entries(fd, count);
    starts_again_at_cookies(fd, count);
    fits_small_buffers(fd, count);

    // From the start again, changes are seen.
    OK(__wasi_path_unlink_file(fd, "file-42"));
    CHECK(read_all(fd, sizeof buffer, 0, all, MOST + 1) == count - 1);
    keeps_its_place_when_entries_change(fd, count - 1);

    fd_t file = OPEN_FILE("list/file-00", CREATE);
    __wasi_size_t used;
    FAILS_ANY(NOTDIR, BADF, NOTCAPABLE, __wasi_fd_readdir(file, buffer, sizeof buffer, 0, &used));
    OK(__wasi_fd_close(file));
    OK(__wasi_fd_close(fd));
    return finish();
}
