/* Asks for calls that the kernel does not have, each twice. */
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
    int refused = 0;
    for (int i = 0; i < 2; i++) {
        refused += syscall(SYS_io_uring_setup, 8, NULL) == -1 && errno == ENOSYS;
        refused += syscall(SYS_userfaultfd, 0) == -1 && errno == ENOSYS;
    }
    printf("%d\n", refused);
    return 0;
}
