// `telldir` and `seekdir` of libc: what they pass on is a cookie in a `long` of 32 bits.

#include <dirent.h>

#include "test.h"

#define FILES 8
// With `.` and `..`.
#define ENTRIES (FILES + 2)

int main(void) {
    OK(__wasi_path_create_directory(ROOT, "folder"));
    char path[] = "folder/0";
    for (int i = 0; i < FILES; i++) {
        path[sizeof path - 2] = (char)('0' + i);
        OK(make_file(path, ""));
    }
    DIR *folder = opendir("/sandbox/folder");
    if (!CHECK(folder)) {
        return finish();
    }
    long places[ENTRIES + 1];
    char names[ENTRIES][8];
    int count = 0;
    places[0] = telldir(folder);
    for (struct dirent *entry; count < ENTRIES && (entry = readdir(folder)); count++) {
        strlcpy(names[count], entry->d_name, sizeof names[count]);
        places[count + 1] = telldir(folder);
    }
    CHECK(count == ENTRIES && !readdir(folder));
    for (int i = ENTRIES; i >= 0; i--) {
        CHECK(places[i] == i);
        seekdir(folder, places[i]);
        for (int j = i; j < ENTRIES; j++) {
            struct dirent *entry = readdir(folder);
            CHECK(entry && strcmp(entry->d_name, names[j]) == 0);
        }
        CHECK(!readdir(folder));
    }
    rewinddir(folder);
    CHECK(telldir(folder) == 0);
    closedir(folder);
    return finish();
}
