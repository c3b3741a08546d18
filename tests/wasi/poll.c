// poll_oneoff: clocks, files and standard streams, several at once, and what it refuses.
//
// Standard input is a pipe in which a byte waits; standard output has room.

#include "raw.h"
#include "test.h"

#define MILLISECOND 1000000ull

static __wasi_subscription_t subscriptions[8];
static __wasi_event_t events[8];

static uint64_t time_of(__wasi_clockid_t clock) {
    __wasi_timestamp_t time = 0;
    OK(__wasi_clock_time_get(clock, 1, &time));
    return time;
}

static __wasi_subscription_t clock(uint64_t userdata, __wasi_clockid_t id, uint64_t timeout,
                                   __wasi_subclockflags_t flags) {
    __wasi_subscription_t subscription = {0};
    subscription.userdata = userdata;
    subscription.u.tag = __WASI_EVENTTYPE_CLOCK;
    subscription.u.u.clock = (__wasi_subscription_clock_t){id, timeout, 0, flags};
    return subscription;
}

static __wasi_subscription_t descriptor(uint64_t userdata, __wasi_eventtype_t type, fd_t fd) {
    __wasi_subscription_t subscription = {0};
    subscription.userdata = userdata;
    subscription.u.tag = type;
    subscription.u.u.fd_read.file_descriptor = fd;
    return subscription;
}

// The event of a subscription, or none.
static const __wasi_event_t *event_of(uint64_t userdata, __wasi_size_t count) {
    for (__wasi_size_t i = 0; i < count; i++) {
        if (events[i].userdata == userdata) {
            return events + i;
        }
    }
    return 0;
}

static bool happened(uint64_t userdata, __wasi_size_t count, __wasi_eventtype_t type) {
    const __wasi_event_t *event = event_of(userdata, count);
    return event && event->error == __WASI_ERRNO_SUCCESS && event->type == type;
}

static void sleeps(void) {
    const __wasi_clockid_t ids[] = {__WASI_CLOCKID_MONOTONIC, __WASI_CLOCKID_REALTIME};
    for (int i = 0; i < 2; i++) {
        uint64_t start = time_of(ids[i]);
        subscriptions[0] = clock(~0ull, ids[i], 5 * MILLISECOND, 0);
        __wasi_size_t count = 0;
        OK(__wasi_poll_oneoff(subscriptions, events, 1, &count));
        CHECK(count == 1 && happened(~0ull, count, __WASI_EVENTTYPE_CLOCK));
        CHECK(time_of(ids[i]) - start >= 5 * MILLISECOND);

        // Until then.
        start = time_of(ids[i]);
        subscriptions[0] =
            clock(7, ids[i], start + 5 * MILLISECOND, __WASI_SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME);
        OK(__wasi_poll_oneoff(subscriptions, events, 1, &count));
        CHECK(count == 1 && happened(7, count, __WASI_EVENTTYPE_CLOCK));
        CHECK(time_of(ids[i]) >= start + 5 * MILLISECOND);

        // What is past already.
        subscriptions[0] = clock(8, ids[i], 1, __WASI_SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME);
        OK(__wasi_poll_oneoff(subscriptions, events, 1, &count));
        CHECK(count == 1 && happened(8, count, __WASI_EVENTTYPE_CLOCK));
        subscriptions[0] = clock(9, ids[i], 0, 0);
        OK(__wasi_poll_oneoff(subscriptions, events, 1, &count));
        CHECK(count == 1 && happened(9, count, __WASI_EVENTTYPE_CLOCK));
    }
    // The first of several ends it.
    subscriptions[0] = clock(1, __WASI_CLOCKID_MONOTONIC, 1000000 * MILLISECOND, 0);
    subscriptions[1] = clock(2, __WASI_CLOCKID_MONOTONIC, 2 * MILLISECOND, 0);
    subscriptions[2] = clock(3, __WASI_CLOCKID_MONOTONIC, ~0ull, 0);
    __wasi_size_t count = 0;
    OK(__wasi_poll_oneoff(subscriptions, events, 3, &count));
    CHECK(count == 1 && happened(2, count, __WASI_EVENTTYPE_CLOCK));
}

static void waits_for_files(void) {
    OK(make_file("file", "file"));
    fd_t fd = OPEN_FILE("file", 0);
    subscriptions[0] = descriptor(1, __WASI_EVENTTYPE_FD_READ, fd);
    subscriptions[1] = descriptor(2, __WASI_EVENTTYPE_FD_WRITE, fd);
    subscriptions[2] = clock(3, __WASI_CLOCKID_MONOTONIC, 1000000 * MILLISECOND, 0);
    __wasi_size_t count = 0;
    OK(__wasi_poll_oneoff(subscriptions, events, 3, &count));
    CHECK(count == 2 && happened(1, count, __WASI_EVENTTYPE_FD_READ) && happened(2, count, __WASI_EVENTTYPE_FD_WRITE));
    OK(__wasi_fd_close(fd));
}

static void waits_for_streams(void) {
    subscriptions[0] = descriptor(1, __WASI_EVENTTYPE_FD_WRITE, 1);
    subscriptions[1] = clock(2, __WASI_CLOCKID_MONOTONIC, 1000000 * MILLISECOND, 0);
    __wasi_size_t count = 0;
    OK(__wasi_poll_oneoff(subscriptions, events, 2, &count));
    CHECK(count == 1 && happened(1, count, __WASI_EVENTTYPE_FD_WRITE));
    subscriptions[0] = descriptor(1, __WASI_EVENTTYPE_FD_READ, 0);
    OK(__wasi_poll_oneoff(subscriptions, events, 2, &count));
    CHECK(count == 1 && happened(1, count, __WASI_EVENTTYPE_FD_READ));
    uint8_t byte = 0;
    __wasi_size_t done;
    OK(read_bytes(0, &byte, 1, &done));
    CHECK(done == 1 && byte == '!');
}

static void refuses(void) {
    __wasi_size_t count = 99;
    FAILS(INVAL, __wasi_poll_oneoff(subscriptions, events, 0, &count));

    // An error of one subscription is an event of its own; the others go on.
    subscriptions[0] = descriptor(1, __WASI_EVENTTYPE_FD_READ, NO_FD);
    subscriptions[1] = clock(2, __WASI_CLOCKID_MONOTONIC, 1000000 * MILLISECOND, 0);
    errno_t error = __wasi_poll_oneoff(subscriptions, events, 2, &count);
    if (error == __WASI_ERRNO_SUCCESS) {
        const __wasi_event_t *event = event_of(1, count);
        CHECK(event && event->error == __WASI_ERRNO_BADF && event->type == __WASI_EVENTTYPE_FD_READ);
    } else {
        CHECK(error == __WASI_ERRNO_BADF);
    }
    OK(make_file("file", "file"));
    fd_t fd;
    OK(try_open(ROOT, "file", 0, RIGHT(FD_READ), &fd));
    subscriptions[0] = descriptor(1, __WASI_EVENTTYPE_FD_READ, fd);
    error = __wasi_poll_oneoff(subscriptions, events, 2, &count);
    if (error == __WASI_ERRNO_SUCCESS) {
        const __wasi_event_t *event = event_of(1, count);
        CHECK(event && event->error == __WASI_ERRNO_NOTCAPABLE);
    } else {
        CHECK(error == __WASI_ERRNO_NOTCAPABLE);
    }
    OK(__wasi_fd_close(fd));

    // A clock that there is not.
    subscriptions[0] = clock(1, 9, MILLISECOND, 0);
    error = __wasi_poll_oneoff(subscriptions, events, 1, &count);
    if (error == __WASI_ERRNO_SUCCESS) {
        CHECK(count == 1 && events[0].error == __WASI_ERRNO_INVAL);
    } else {
        CHECK(error == __WASI_ERRNO_INVAL);
    }
    // And a kind of event that there is not.
    subscriptions[0] = clock(1, __WASI_CLOCKID_MONOTONIC, MILLISECOND, 0);
    subscriptions[0].u.tag = 3;
    FAILS(INVAL, __wasi_poll_oneoff(subscriptions, events, 1, &count));
}

int main(void) {
    sleeps();
    waits_for_files();
    waits_for_streams();
    refuses();
    return finish();
}
