/* SQLite as a filter: runs the SQL on standard input and prints the rows of its queries, columns apart by `|`.
 * The argument is the database's file, or none for one in memory.
 * Locks on files are left out (`unix-none`): WASI has none. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqlite3.h"

static int print_row(void *unused, int columns, char **values, char **names) {
    (void)unused;
    (void)names;
    for (int i = 0; i < columns; i++)
        printf("%s%s", i == 0 ? "" : "|", values[i] == NULL ? "NULL" : values[i]);
    putchar('\n');
    return 0;
}

/* All of standard input, as one string. */
static char *read_all(void) {
    size_t length = 0, capacity = 4096;
    char *text = malloc(capacity);
    while (text != NULL) {
        length += fread(text + length, 1, capacity - length - 1, stdin);
        if (feof(stdin)) {
            text[length] = '\0';
            return text;
        }
        if (ferror(stdin))
            break;
        if (length + 1 == capacity) {
            char *longer = realloc(text, capacity *= 2);
            if (longer == NULL)
                break;
            text = longer;
        }
    }
    free(text);
    return NULL;
}

int main(int argc, char **argv) {
    const char *file = argc > 1 ? argv[1] : ":memory:";
    sqlite3 *database;
    if (sqlite3_open_v2(file, &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "unix-none") != SQLITE_OK) {
        fprintf(stderr, "opening %s: %s\n", file, sqlite3_errmsg(database));
        return 1;
    }
    char *sql = read_all();
    if (sql == NULL) {
        perror("reading standard input");
        return 1;
    }
    char *message = NULL;
    if (sqlite3_exec(database, sql, print_row, NULL, &message) != SQLITE_OK) {
        fprintf(stderr, "error: %s\n", message);
        return 1;
    }
    free(sql);
    return sqlite3_close(database) == SQLITE_OK ? 0 : 1;
}
