// Allocates until there is no more, then uses what it has and ends well. Prints how many MiB it got.

#include <stdlib.h>

#include "test.h"

#define BLOCK (1 << 20)

int main(void) {
    uint8_t *last = 0;
    uint64_t count = 0;
    for (;;) {
        uint8_t *block = malloc(BLOCK);
        if (!block) {
            break;
        }
        // In use, not only promised; each holds the address of the one before.
        memset(block, (int)count, BLOCK);
        memcpy(block, &last, sizeof last);
        last = block;
        count++;
    }
    uint64_t number = count;
    for (uint8_t *block = last; block; number--) {
        CHECK(block[BLOCK - 1] == (uint8_t)(number - 1));
        uint8_t *before;
        memcpy(&before, block, sizeof before);
        free(block);
        block = before;
    }
    CHECK(number == 0);
    put_number(1, count);
    put(1, " MiB\n");
    return finish();
}
