/* Preloaded into a server: notes the length of a file each time the kernel has confirmed that it is on the disk. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void note(int file, off_t size) {
    char link[64], name[PATH_MAX], line[PATH_MAX + 32];
    const char *notes = getenv("TASKQ_TEST_SYNCED");
    if (!notes) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, name, sizeof name - 1);
    if (length <= 0) return;
    name[length] = 0;
    int out = open(notes, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (out < 0) return;
    int size_of_line = snprintf(line, sizeof line, "%s %lld\n", name, (long long)size);
    if (write(out, line, size_of_line) < 0) { /* the test will find less than was synced, and say so */ }
    close(out);
}

/* The length is taken before the call: what is appended while it runs may not be covered. */
static int sync_and_note(int file, int (*sync_file)(int)) {
    struct stat before;
    int known = fstat(file, &before) == 0 && S_ISREG(before.st_mode);
    int result = sync_file(file);
    if (known && result == 0) note(file, before.st_size);
    return result;
}

int fsync(int file) {
    return sync_and_note(file, (int (*)(int))dlsym(RTLD_NEXT, "fsync"));
}

int fdatasync(int file) {
    return sync_and_note(file, (int (*)(int))dlsym(RTLD_NEXT, "fdatasync"));
}
