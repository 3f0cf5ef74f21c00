/* sendfile, copy_file_range and splice: counts, contents and errors. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

static char big[200000], back[200000];

static int fresh(void)
{
    return open("/tmp", O_TMPFILE | O_RDWR, 0600);
}

static void say(const char *what, long result)
{
    printf("%s: %ld %s\n", what, result, result < 0 ? strerror(errno) : "");
}

int main(void)
{
    int source = fresh(), target = fresh(), ends[2];
    loff_t place = 1000, other = 5;
    for (unsigned i = 0; i < sizeof big; i++)
        big[i] = i * 7 + i / 251;
    if (write(source, big, sizeof big) != sizeof big || pipe(ends))
        return 1;
    say("sendfile at offset", sendfile(target, source, &place, 150000));
    printf("place %ld, equal %d\n", (long)place,
           pread(target, back, 150000, 0) == 150000 && !memcmp(back, big + 1000, 150000));
    say("sendfile at the end", sendfile(target, source, NULL, 10));
    lseek(source, 199000, SEEK_SET);
    say("sendfile to the end", sendfile(target, source, NULL, 5000));
    say("position", lseek(source, 0, SEEK_CUR));
    say("to a pipe", sendfile(ends[1], source, &(loff_t){ 0 }, 3000));
    ssize_t length = read(ends[0], back, sizeof back);
    printf("read back %zd, equal %d\n", length, !memcmp(back, big, 3000));
    say("bad source", sendfile(target, 99, NULL, 10));
    say("read-only target", sendfile(open("/etc/passwd", O_RDONLY), source, NULL, 10));
    say("negative", sendfile(target, source, &(loff_t){ -1 }, 10));
    lseek(source, 0, SEEK_SET);
    say("copy", copy_file_range(source, NULL, target, &other, 100000, 0));
    printf("other %ld, equal %d\n", (long)other,
           pread(target, back, 100000, 5) == 100000 && !memcmp(back, big, 100000));
    say("copy onto itself", copy_file_range(source, &(loff_t){ 0 }, source, &(loff_t){ 10 }, 100, 0));
    say("copy with flags", copy_file_range(source, NULL, target, NULL, 100, 1));
    say("copy to a pipe", copy_file_range(source, NULL, ends[1], NULL, 100, 0));
    say("copy a directory", copy_file_range(open("/tmp", O_RDONLY), NULL, target, NULL, 100, 0));
    say("splice in", splice(source, &(loff_t){ 50 }, ends[1], NULL, 2000, 0));
    say("splice out", splice(ends[0], NULL, target, &(loff_t){ 0 }, 5000, 0));
    printf("equal %d\n", pread(target, back, 2000, 0) == 2000 && !memcmp(back, big + 50, 2000));
    say("splice without a pipe", splice(source, NULL, target, NULL, 10, 0));
    say("splice with an offset", splice(ends[0], &(loff_t){ 0 }, target, NULL, 10, 0));
    say("splice an empty pipe", splice(ends[0], NULL, target, NULL, 10, SPLICE_F_NONBLOCK));
    int sockets[2];
    char text[8] = "";
    socketpair(AF_UNIX, SOCK_STREAM, 0, sockets);
    write(ends[1], "piped", 5), write(sockets[1], "sent", 4);
    say("sendfile from a pipe", sendfile(target, ends[0], NULL, 5));
    say("sendfile from a pipe to a socket", sendfile(sockets[0], ends[0], NULL, 5));
    say("sendfile from a socket", sendfile(target, sockets[0], NULL, 4));
    say("sendfile from a counter", sendfile(target, eventfd(3, 0), NULL, 8));
    say("sendfile of zeros", sendfile(target, open("/dev/zero", O_RDONLY), NULL, 5));
    say("what was piped is left", read(ends[0], text, 8));
    say("what was sent is left", read(sockets[0], text, 8));
    return 0;
}
