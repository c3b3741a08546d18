// args_get, args_sizes_get, environ_get, environ_sizes_get, random_get, the clocks, sched_yield and proc_raise.
//
// The host gives the arguments and variables below, in this order.

#include "raw.h"
#include "test.h"

static const char *const arguments[] = {"environment", "one", "", "three words", "\xc3\xbc"};
static const char *const variables[] = {"NAME=value", "EMPTY=", "EQUALS=a=b", "SPACES=a b "};

// What a pair of functions gives, compared with a list. Nothing may be written behind it.
static void gives(errno_t (*sizes)(__wasi_size_t *, __wasi_size_t *), errno_t (*get)(uint8_t **, uint8_t *),
                  const char *const *expected, size_t count) {
    __wasi_size_t got = 0, size = 0, expected_size = 0;
    for (size_t i = 0; i < count; i++) {
        expected_size += strlen(expected[i]) + 1;
    }
    OK(sizes(&got, &size));
    if (!CHECK(got == count) || !CHECK(size == expected_size)) {
        return;
    }
    uint8_t *pointers[16];
    uint8_t buffer[256];
    memset(pointers, 0xa5, sizeof pointers);
    memset(buffer, 0xa5, sizeof buffer);
    OK(get(pointers, buffer));
    uint8_t *at = buffer;
    for (size_t i = 0; i < count; i++) {
        CHECK(pointers[i] == at);
        CHECK(strcmp((const char *)pointers[i], expected[i]) == 0);
        at += strlen(expected[i]) + 1;
    }
    CHECK(pointers[count] == (uint8_t *)0xa5a5a5a5 && *at == 0xa5);
}

static void clocks(void) {
    for (__wasi_clockid_t id = 0; id <= __WASI_CLOCKID_THREAD_CPUTIME_ID; id++) {
        __wasi_timestamp_t resolution = 0, first = 0, second = 0;
        errno_t error = __wasi_clock_res_get(id, &resolution);
        // A host need not have clocks of processor time.
        if (id >= __WASI_CLOCKID_PROCESS_CPUTIME_ID &&
            (error == __WASI_ERRNO_INVAL || error == __WASI_ERRNO_NOTSUP || error == __WASI_ERRNO_BADF)) {
            CHECK(__wasi_clock_time_get(id, 1, &first) == error);
            continue;
        }
        CHECK(error == __WASI_ERRNO_SUCCESS && resolution > 0);
        OK(__wasi_clock_time_get(id, 1, &first));
        OK(__wasi_clock_time_get(id, ~0ull, &second));
        CHECK(first > 0 || id != __WASI_CLOCKID_REALTIME);
        CHECK(second >= first || id == __WASI_CLOCKID_REALTIME);
    }
    __wasi_timestamp_t now = 0, then = 0, time = 0;
    OK(__wasi_clock_time_get(__WASI_CLOCKID_REALTIME, 0, &now));
    // Between 2024 and 2100.
    CHECK(now > 1704000000ull * 1000000000 && now < 4102000000ull * 1000000000);
    OK(__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 0, &then));
    do {
        OK(__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 0, &time));
    } while (time == then && failures == 0);
    CHECK(time > then);
    FAILS(INVAL, __wasi_clock_res_get(4, &time));
    FAILS(INVAL, __wasi_clock_time_get(4, 0, &time));
    FAILS(INVAL, __wasi_clock_time_get(~0u, 0, &time));
}

static void randomness(void) {
    static uint8_t one[1 << 16], other[1 << 16];
    OK(__wasi_random_get(one, 0));
    CHECK(one[0] == 0);
    OK(__wasi_random_get(one, 16));
    CHECK(one[16] == 0);
    OK(__wasi_random_get(other, 16));
    CHECK(memcmp(one, other, 16) != 0);
    OK(__wasi_random_get(one, sizeof one));
    // All of a large buffer: a run of 16 zeros would be one chance in 2^112.
    for (size_t i = 0; i < sizeof one; i += 16) {
        CHECK(memcmp(one + i, other + 32, 16) != 0);
    }
}

int main(void) {
    gives(__wasi_args_sizes_get, __wasi_args_get, arguments, sizeof arguments / sizeof *arguments);
    gives(__wasi_environ_sizes_get, __wasi_environ_get, variables, sizeof variables / sizeof *variables);
    clocks();
    randomness();
    OK(__wasi_sched_yield());
    // A host need not have signals, but to raise none of them ends no program.
    int32_t raised = raw_proc_raise(0);
    CHECK(raised == __WASI_ERRNO_SUCCESS || raised == __WASI_ERRNO_NOSYS || raised == __WASI_ERRNO_NOTSUP);
    raised = raw_proc_raise(99);
    CHECK(raised == __WASI_ERRNO_INVAL || raised == __WASI_ERRNO_NOSYS || raised == __WASI_ERRNO_NOTSUP);
    return finish();
}
