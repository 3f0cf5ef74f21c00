/* For stress-ng where there is no fork: the first fork(2) goes on as the child, so that the
 * process that began becomes the stressor itself and ends with its status; any further one fails. */
#include <errno.h>
#include <sys/types.h>

pid_t fork(void)
{
    static int forked;
    if (!forked) {
        forked = 1;
        return 0;
    }
    errno = ENOSYS;
    return -1;
}
