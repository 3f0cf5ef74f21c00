/* Prints what a call returned, so that a run in a virtual machine can be compared with one on the host. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The result of a call that gives 0, or a number that may differ: only its sign and errno are shown. */
static inline void show(const char *name, long result)
{
    if (result < 0)
        printf("%s: -1 %s\n", name, strerrorname_np(errno));
    else
        printf("%s: ok\n", name);
}

/* The result of a call whose number must be the same everywhere. */
static inline void show_value(const char *name, long result)
{
    if (result < 0)
        printf("%s: -1 %s\n", name, strerrorname_np(errno));
    else
        printf("%s: %ld\n", name, result);
}

#define SHOW(call) show(#call, (long)(call))
#define VALUE(call) show_value(#call, (long)(call))
