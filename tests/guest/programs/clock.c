/*
 * Says what time it is, in nanoseconds, for as long as it is asked: a line on standard input is
 * answered by "MONOTONIC REALTIME" as the vDSO has them and "MONOTONIC REALTIME" from the kernel.
 * `s NS` sleeps first, `b NS` burns processor time first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long long ns(struct timespec t)
{
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long fast(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return ns(t);
}

static long long slow(clockid_t clock)
{
    struct timespec t;
    syscall(SYS_clock_gettime, clock, &t);
    return ns(t);
}

int main(void)
{
    char line[64];
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof line, stdin)) {
        long long span = atoll(line + 1);
        if (line[0] == 's') {
            struct timespec t = {span / 1000000000, span % 1000000000};
            nanosleep(&t, NULL);
        } else if (line[0] == 'b') {
            long long end = fast(CLOCK_MONOTONIC) + span, last = 0;
            for (long long now; (now = fast(CLOCK_MONOTONIC)) < end; last = now)
                if (now < last) {
                    puts("time went back");
                    return 1;
                }
        } else if (line[0] == 'n') { /* many short sleeps, each at least as long as asked */
            for (int i = 0; i < 200; i++) {
                struct timespec t = {0, span};
                long long before = fast(CLOCK_MONOTONIC);
                nanosleep(&t, NULL);
                if (fast(CLOCK_MONOTONIC) - before < span) {
                    puts("woken early");
                    return 1;
                }
            }
        }
        long long monotonic = fast(CLOCK_MONOTONIC), realtime = fast(CLOCK_REALTIME);
        long long called = slow(CLOCK_MONOTONIC), called_real = slow(CLOCK_REALTIME);
        printf("%lld %lld %lld %lld\n", monotonic, realtime, called, called_real);
    }
    return 0;
}
