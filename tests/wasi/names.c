// Names that are too long, that are not UTF-8, that hold a zero byte, and names that are fine.

#include "raw.h"
#include "test.h"

#define LONG 300
// Odd, so that no slash is at the end, for which another error could be told.
#define VERY_LONG 69999

static char long_name[LONG + 1];
static char deep_path[VERY_LONG + 1];

// Calls all functions that take a path with one: `expected` or `other` is what all of them return.
static void all_fail(const char *path, uint32_t length, errno_t expected, errno_t other, int line) {
    const uint32_t at = ADDRESS(path);
    const uint32_t fine = ADDRESS("fine");
    static uint8_t buffer[128];
    const uint32_t out = ADDRESS(buffer);
    const int32_t errors[] = {
        raw_path_open(ROOT, 0, at, length, CREATE, FILE_RIGHTS, 0, 0, out),
        raw_path_create_directory(ROOT, at, length),
        raw_path_remove_directory(ROOT, at, length),
        raw_path_unlink_file(ROOT, at, length),
        raw_path_filestat_get(ROOT, 0, at, length, out),
        raw_path_filestat_set_times(ROOT, 0, at, length, 0, 0, __WASI_FSTFLAGS_MTIM),
        raw_path_link(ROOT, 0, at, length, ROOT, ADDRESS("new"), 3),
        raw_path_link(ROOT, 0, fine, 4, ROOT, at, length),
        raw_path_rename(ROOT, at, length, ROOT, ADDRESS("new"), 3),
        raw_path_rename(ROOT, fine, 4, ROOT, at, length),
        raw_path_readlink(ROOT, at, length, out, 64, out + 64),
        raw_path_symlink(fine, 4, ROOT, at, length),
    };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        if (errors[i] != expected && errors[i] != other) {
            failed(__FILE_NAME__, line, "call ");
            put_number(2, i);
            put(2, " returned ");
            put(2, errno_name((errno_t)errors[i]));
            put(2, "\n");
        }
    }
    CHECK(has_text("fine", "fine") && !exists("new"));
}

int main(void) {
    OK(make_file("fine", "fine"));

    memset(long_name, 'x', LONG);
    all_fail(long_name, LONG, __WASI_ERRNO_NAMETOOLONG, __WASI_ERRNO_NAMETOOLONG, __LINE__);
    for (int i = 0; i < VERY_LONG; i++) {
        deep_path[i] = i % 2 == 0 ? '.' : '/';
    }
    all_fail(deep_path, VERY_LONG, __WASI_ERRNO_NAMETOOLONG, __WASI_ERRNO_NAMETOOLONG, __LINE__);
    // As long as a name may be.
    OK(make_file(long_name + LONG - 255, "long"));
    CHECK(has_text(long_name + LONG - 255, "long"));
    OK(__wasi_path_unlink_file(ROOT, long_name + LONG - 255));

    all_fail("\xff\xfe", 2, __WASI_ERRNO_ILSEQ, __WASI_ERRNO_ILSEQ, __LINE__);
    all_fail("fine\xc3", 5, __WASI_ERRNO_ILSEQ, __WASI_ERRNO_ILSEQ, __LINE__);
    // An encoded surrogate, and two bytes for what fits one: `/`, which must not become a separator.
    all_fail("\xed\xa0\x80", 3, __WASI_ERRNO_ILSEQ, __WASI_ERRNO_ILSEQ, __LINE__);
    all_fail("..\xc0\xaf..", 6, __WASI_ERRNO_ILSEQ, __WASI_ERRNO_ILSEQ, __LINE__);
    all_fail("fine\0x", 6, __WASI_ERRNO_INVAL, __WASI_ERRNO_ILSEQ, __LINE__);
    all_fail("\0", 1, __WASI_ERRNO_INVAL, __WASI_ERRNO_ILSEQ, __LINE__);
    all_fail("", 0, __WASI_ERRNO_NOENT, __WASI_ERRNO_NOENT, __LINE__);

    const char *names[] = {"\xc3\xa4\xe2\x82\xac\xf0\x9f\xa6\x80", "with space", " ", "back\\slash", "...", "..x", "x..",
                           "new\nline", "C:", "*", "~", "-", "$HOME", "\x01"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        OK(make_file(names[i], "name"));
        CHECK(has_text(names[i], "name"));
        OK(__wasi_path_unlink_file(ROOT, names[i]));
    }
    return finish();
}
