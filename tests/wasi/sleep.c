// Says that it is about to wait, then waits far longer than anybody wants to: for a clock, or with the argument `read`
// for standard input, or with `spin` for nothing at all.

#include "test.h"

int main(int argc, char **argv) {
    put(1, "waiting\n");
    if (argc == 2 && strcmp(argv[1], "read") == 0) {
        uint8_t byte;
        __wasi_size_t done;
        OK(read_bytes(0, &byte, 1, &done));
    } else if (argc == 2 && strcmp(argv[1], "spin") == 0) {
        for (volatile int i = 0;; i++) {
        }
    } else {
        __wasi_subscription_t subscription = {0};
        subscription.u.tag = __WASI_EVENTTYPE_CLOCK;
        subscription.u.u.clock.id = __WASI_CLOCKID_MONOTONIC;
        subscription.u.u.clock.timeout = 3600ull * 1000000000;
        __wasi_event_t event;
        __wasi_size_t count;
        OK(__wasi_poll_oneoff(&subscription, &event, 1, &count));
    }
    put(1, "awake\n");
    return finish();
}
