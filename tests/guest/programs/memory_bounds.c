/* What limits and seals say about memory: what MAP_FIXED takes away makes room, what is locked already is not counted
 * again, and a sealed file neither grows nor shrinks nor is written to, whichever call asks. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SAY(call)                                                                            \
    do {                                                                                     \
        long r_ = (long)(call);                                                              \
        printf("%s: %s\n", #call, r_ == -1 ? strerrorname_np(errno) : "done");               \
    } while (0)

int main(void)
{
    char *at = mmap(NULL, 64 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char *shared = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct rlimit space = { 100 << 20, RLIM_INFINITY };
    setrlimit(RLIMIT_AS, &space);
    SAY(mmap(at, 64 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    SAY(mmap(NULL, 64 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    SAY(mmap(at + (32 << 20), 90 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    space.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_AS, &space);
    struct rlimit data = { 4096, RLIM_INFINITY };
    setrlimit(RLIMIT_DATA, &data);
    SAY(shared = mremap(shared, 1 << 20, 2 << 20, MREMAP_MAYMOVE));
    data.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_DATA, &data);
    struct rlimit locked = { 64 << 10, 64 << 10 };
    setrlimit(RLIMIT_MEMLOCK, &locked);
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct none[2] = { 0 };
    syscall(SYS_capset, &header, none);
    SAY(mlock(at, 48 << 10));
    SAY(mlock(at, 48 << 10));
    SAY(mlock(at + (32 << 10), 32 << 10));
    SAY(mlock(at + (60 << 10), 16 << 10));
    char status[4096] = "";
    read(open("/proc/self/status", O_RDONLY), status, sizeof status - 1);
    printf("%.18s\n", strstr(status, "VmLck:"));

    int file = memfd_create("sealed", MFD_ALLOW_SEALING);
    ftruncate(file, 8192);
    SAY(fcntl(file, F_ADD_SEALS, F_SEAL_GROW));
    SAY(fallocate(file, 0, 4096, 8192));
    SAY(fallocate(file, FALLOC_FL_KEEP_SIZE, 4096, 8192));
    SAY(fallocate(file, 0, 4096, 4096));
    printf("%zd\n", pwrite(file, "abcd", 4, 8190));
    SAY(fcntl(file, F_SETFL, O_APPEND));
    SAY(write(file, "abcd", 4));
    SAY(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE));
    SAY(write(file, "", 0));
    SAY(fallocate(file, 0, 0, 4096));
    SAY(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
    printf("%ld\n", (long)lseek(file, 0, SEEK_END));
    return 0;
}
