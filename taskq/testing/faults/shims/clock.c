/* Preloaded into a process: its wall clock differs from the real one by the seconds that stand in a file. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long step_seconds(void) {
    char text[32] = {0};
    const char *name = getenv("TASKQ_TEST_CLOCK_STEP");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return 0;
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    return length > 0 ? strtol(text, NULL, 10) : 0;
}

static struct timespec stepped(void) {
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now); /* the real one: this library stands before the C library */
    now.tv_sec += step_seconds();
    return now;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    (void)zone;
    struct timespec now = stepped();
    if (out) {
        out->tv_sec = now.tv_sec;
        out->tv_usec = now.tv_nsec / 1000;
    }
    return 0;
}

time_t time(time_t *out) {
    time_t seconds = stepped().tv_sec;
    if (out) *out = seconds;
    return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *out) {
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
        *out = stepped();
        return 0;
    }
    return (int)syscall(SYS_clock_gettime, clock, out);
}
