/* Preloaded into a server: notes the length of a file each time the kernel has confirmed that it is on the disk, and
   makes each such call take some time longer, as on a disk that others keep busy. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int name_of(int file, char *name) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, name, PATH_MAX - 1);
    name[length > 0 ? length : 0] = 0;
    return length > 0;
}

static void note(const char *name, off_t size) {
    char line[PATH_MAX + 32];
    const char *notes = getenv("TASKQ_TEST_SYNCED");
    if (!notes) return;
    int out = open(notes, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (out < 0) return;
    int size_of_line = snprintf(line, sizeof line, "%s %lld\n", name, (long long)size);
    if (write(out, line, size_of_line) < 0) { /* the test will find less than was synced, and say so */ }
    close(out);
}

/* Only for the file that grows with every write: others are synced while the server starts. */
static void be_slow(const char *name) {
    const char *text = getenv("TASKQ_TEST_SYNC_MS");
    long ms = text && strstr(name, ".incr.aof") ? strtol(text, NULL, 10) : 0;
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    if (ms > 0) nanosleep(&pause, NULL);
}

/* The length is taken before the call: what is appended while it runs may not be covered. */
static int sync_and_note(int file, int (*sync_file)(int)) {
    char name[PATH_MAX];
    struct stat before;
    int known = fstat(file, &before) == 0 && S_ISREG(before.st_mode) && name_of(file, name);
    if (known) be_slow(name);
    int result = sync_file(file);
    if (known && result == 0) note(name, before.st_size);
    return result;
}

int fsync(int file) {
    return sync_and_note(file, (int (*)(int))dlsym(RTLD_NEXT, "fsync"));
}

int fdatasync(int file) {
    return sync_and_note(file, (int (*)(int))dlsym(RTLD_NEXT, "fdatasync"));
}
