/* Dies in the way that its argument names. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <fcntl.h>
#include <unistd.h>

static int deeper(volatile char *above)
{
    volatile char here[4096];
    here[0] = above[0];
    return deeper(here) + here[0];
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "";
    volatile int zero = 0;
    if (!strcmp(way, "segv")) *(volatile int *)0x20 = 1;
    if (!strcmp(way, "abort")) abort();
    if (!strcmp(way, "fpe")) return 7 / zero;
    if (!strcmp(way, "ill")) __builtin_trap();
    if (!strcmp(way, "exit")) _exit(255);
    if (!strcmp(way, "bus")) {
        int fd = open("/tmp/krait-death", O_RDWR | O_CREAT | O_TRUNC, 0600);
        volatile char *map = mmap(0, 8192, PROT_READ, MAP_SHARED, fd, 0);
        return map[4096];
    }
    if (!strcmp(way, "overflow")) return deeper((volatile char *)way);
    return 3;
}
