/* Calls execve in ways that fail, each with its errno, and then becomes itself with other arguments. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void try(const char *path, char **arguments)
{
    execve(path, arguments, NULL);
    printf("%s: %s\n", path ? path : "NULL", strerror(errno));
}

int main(int count, char **arguments)
{
    char *again[] = { "second", "life", NULL };
    if (count == 2) {
        struct sigaction action;
        sigaction(SIGUSR1, NULL, &action);
        printf("%s %s, environment %s\n", arguments[0], arguments[1], environ[0] ? environ[0] : "empty");
        printf("handler gone: %d, descriptor gone: %d\n", action.sa_handler == SIG_DFL,
               fcntl(9, F_GETFD) == -1 && errno == EBADF);
        sigaction(SIGUSR2, NULL, &action);
        printf("still ignored: %d, still open: %d\n", action.sa_handler == SIG_IGN, fcntl(8, F_GETFD) == 0);
        return 5;
    }
    try("/nonexistent", again);
    try("/etc/passwd", again);
    try("/tmp", again);
    try("", again);
    try(NULL, again);
    try("/etc/passwd/x", again);
    try("/proc/self/exe", (char **)1);
    execveat(-1, "relative", again, NULL, 0);
    printf("execveat: %s\n", strerror(errno));
    execveat(AT_FDCWD, "/bin/true", again, NULL, 0x80000);
    printf("execveat: %s\n", strerror(errno));
    int text = open("/tmp/text", O_CREAT | O_WRONLY | O_TRUNC, 0755);
    if (write(text, "no program", 10) != 10 || close(text))
        return 1;
    try("/tmp/text", again);
    dup3(0, 9, O_CLOEXEC);
    dup2(0, 8);
    signal(SIGUSR1, (void (*)(int))try);
    signal(SIGUSR2, SIG_IGN);
    fflush(stdout);
    char *environment[] = { "NAME=value", NULL };
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    execveat(self, "", again, environment, AT_EMPTY_PATH);
    perror("execveat");
    return 1;
}
