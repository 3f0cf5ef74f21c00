/* What a program inherits from its caller: ignored and blocked signals, no_new_privs; and that it
 * may change its mind: both signals that the test sends arrive. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static volatile sig_atomic_t hung_up, ended;

static void take(int number)
{
    *(number == SIGHUP ? &hung_up : &ended) = 1;
}

int main(void)
{
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, status))
        if (!strncmp(line, "SigBlk", 6) || !strncmp(line, "SigIgn", 6) ||
            !strncmp(line, "SigCgt", 6) || !strncmp(line, "NoNewPrivs", 10))
            fputs(line, stdout);
    printf("no_new_privs %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    for (int number = 1; number <= 64; number++) {
        struct sigaction action;
        if (!sigaction(number, 0, &action) && action.sa_handler != SIG_DFL)
            printf("signal %d %s\n", number, action.sa_handler == SIG_IGN ? "ignored" : "handled");
    }
    signal(SIGHUP, take);
    signal(SIGTERM, take);
    sigset_t both, old;
    sigemptyset(&both);
    sigaddset(&both, SIGHUP);
    sigaddset(&both, SIGTERM);
    sigprocmask(SIG_BLOCK, &both, &old);
    puts("ready");
    fflush(stdout);
    sigdelset(&old, SIGTERM);
    while (!hung_up || !ended)
        sigsuspend(&old);
    puts("both arrived");
    return 0;
}
