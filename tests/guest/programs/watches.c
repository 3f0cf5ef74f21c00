/* inotify: every event, with the order in which they come. */
#include "show.h"
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <utime.h>

static int n;
static uint32_t last_cookie;

static void events(const char *what)
{
    static char buffer[65536] __attribute__((aligned(8)));
    printf("%s:\n", what);
    long size;
    while ((size = read(n, buffer, sizeof buffer)) > 0)
        for (char *at = buffer; at < buffer + size;) {
            struct inotify_event *e = (void *)at;
            printf("  watch %d mask %x cookie %s length %u %s\n", e->wd, e->mask,
                   !e->cookie ? "none" : e->cookie == last_cookie ? "same" : "new", e->len, e->len ? e->name : "");
            if (e->cookie)
                last_cookie = e->cookie;
            at += sizeof *e + e->len;
        }
}

static void touch(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (text)
        write(fd, text, strlen(text));
    close(fd);
}

int main(void)
{
    char text[100], folder[] = "/tmp/krait-watch-XXXXXX"; /* nobody else may make events in it */
    setvbuf(stdout, NULL, _IOLBF, 0);
    mkdtemp(folder);
    chdir(folder);
    mkdir("d", 0755);
    mkdir("d/sub", 0755);
    mkdir("other", 0755);
    touch("d/old", "old");
    n = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    VALUE(fcntl(n, F_GETFD));
    VALUE(read(n, text, 100));
    VALUE(inotify_init1(1));
    VALUE(inotify_add_watch(n, "d", 0));
    VALUE(inotify_add_watch(n, "missing", IN_ALL_EVENTS));
    VALUE(inotify_add_watch(0, "d", IN_ALL_EVENTS));
    VALUE(inotify_add_watch(99, "d", IN_ALL_EVENTS));
    VALUE(inotify_add_watch(n, "d/old", IN_ALL_EVENTS | IN_ONLYDIR));
    VALUE(inotify_add_watch(n, "d", IN_ALL_EVENTS | IN_MASK_ADD | IN_MASK_CREATE));
    VALUE(inotify_add_watch(n, "d", IN_ALL_EVENTS));
    VALUE(inotify_add_watch(n, "d", IN_ALL_EVENTS | IN_MASK_CREATE));
    VALUE(inotify_add_watch(n, "d", IN_ALL_EVENTS));
    VALUE(inotify_rm_watch(n, 77));
    touch("d/new", "text");
    int waiting;
    VALUE(ioctl(n, FIONREAD, &waiting));
    printf("waiting %d\n", waiting);
    struct pollfd f = { n, POLLIN, 0 };
    VALUE(poll(&f, 1, 0));
    VALUE(read(n, text, 20));
    events("created and written");
    touch("d/new", NULL);
    events("emptied");
    int fd = open("d/new", O_RDWR);
    write(fd, "abc", 3);
    write(fd, "abc", 3);
    pread(fd, text, 3, 0);
    pwrite(fd, "x", 1, 0);
    ftruncate(fd, 2);
    fchmod(fd, 0600);
    fallocate(fd, 0, 0, 10);
    close(fd);
    events("used");
    chmod("d/new", 0644);
    chown("d/new", 0, 0);
    utime("d/new", NULL);
    truncate("d/new", 1);
    events("attributes");
    symlink("new", "d/link");
    mkfifo("d/fifo", 0600);
    mkdir("d/made", 0700);
    link("d/new", "d/hard");
    events("other kinds");
    VALUE(inotify_add_watch(n, "d/new", IN_ALL_EVENTS));
    touch("d/new", "both");
    chmod("d/hard", 0640);
    events("file and directory");
    rename("d/new", "d/newer");
    events("renamed");
    rename("d/newer", "other/away");
    events("moved out");
    rename("other/away", "d/back");
    events("moved in");
    rename("d/back", "d/old");
    events("replaced");
    rename("d/made", "d/sub/made");
    events("directory moved");
    rmdir("d/sub/made");
    unlink("d/link");
    unlink("d/fifo");
    unlink("d/hard");
    events("one name less");
    fd = open("d/old", O_RDONLY);
    unlink("d/old");
    events("no name left");
    close(fd);
    events("and closed");
    VALUE(inotify_add_watch(n, "d/sub", IN_ALL_EVENTS | IN_ONESHOT));
    touch("d/sub/a", NULL);
    events("one shot");
    VALUE(inotify_add_watch(n, "d", IN_OPEN | IN_EXCL_UNLINK));
    touch("d/b", NULL);
    events("only opened");
    VALUE(inotify_add_watch(n, "d", IN_CLOSE | IN_MODIFY | IN_EXCL_UNLINK));
    fd = open("d/b", O_WRONLY);
    write(fd, "x", 1);
    unlink("d/b");
    write(fd, "x", 1);
    close(fd);
    events("not behind unlink");
    VALUE(inotify_add_watch(n, "d", IN_DELETE | IN_MASK_ADD));
    VALUE(inotify_add_watch(n, "d/sub", IN_ALL_EVENTS));
    unlink("d/sub/a");
    rmdir("d/sub");
    events("directory removed");
    int w = inotify_add_watch(n, "other", IN_ALL_EVENTS);
    VALUE(inotify_rm_watch(n, w));
    VALUE(inotify_rm_watch(n, w));
    events("removed watch");
    VALUE(inotify_add_watch(n, "other", IN_CREATE | IN_DELETE));
    for (int i = 0; i < 10000; i++) {
        touch("other/x", NULL);
        unlink("other/x");
    }
    static char buffer[1 << 20];
    long size, count = 0, lost = 0;
    while ((size = read(n, buffer, sizeof buffer)) > 0)
        for (char *at = buffer; at < buffer + size; count++) {
            struct inotify_event *e = (void *)at;
            lost += e->mask == IN_Q_OVERFLOW && e->wd == -1;
            at += sizeof *e + e->len;
        }
    printf("many %ld lost %ld\n", count, lost);
    rmdir("other");
    rmdir("d");
    events("the end");
    close(n);
    chdir("/");
    rmdir(folder);
    return 0;
}
