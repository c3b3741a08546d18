// Standard input is a pipe that nobody writes to any more, standard output one that nobody reads.

#include "test.h"

int main(void) {
    uint8_t byte;
    __wasi_size_t done = 99;
    OK(read_bytes(0, &byte, 1, &done));
    CHECK(done == 0);
    FAILS(PIPE, write_text(1, "nobody hears this", &done));
    FAILS(PIPE, write_text(1, "nor this", &done));
    return finish();
}
