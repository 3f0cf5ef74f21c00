/* Extended attributes. */
#include "show.h"
#include <sys/stat.h>
#include <sys/xattr.h>

static char buffer[70000];

int main(void)
{
    const char *f = "/tmp/krait-xattr", *l = "/tmp/krait-xattr-link", *p = "/tmp/krait-xattr-fifo";
    setvbuf(stdout, NULL, _IOLBF, 0);
    int fd = open(f, O_RDWR | O_CREAT | O_TRUNC, 0600);
    symlink(f, l);
    mkfifo(p, 0600);
    VALUE(getxattr(f, "user.a", buffer, 10));
    VALUE(listxattr(f, buffer, 0));
    VALUE(setxattr(f, "user.a", "value", 5, 0));
    VALUE(setxattr(f, "user.a", "value", 5, XATTR_CREATE));
    VALUE(setxattr(f, "user.b", "value", 5, XATTR_REPLACE));
    VALUE(setxattr(f, "user.a", "other value", 11, XATTR_REPLACE));
    VALUE(fsetxattr(fd, "user.empty", NULL, 0, XATTR_CREATE));
    VALUE(setxattr(f, "user.b", "x", 1, 8));
    VALUE(getxattr(l, "user.a", buffer, 100));
    printf("%.11s\n", buffer);
    VALUE(getxattr(f, "user.a", buffer, 5));
    VALUE(getxattr(f, "user.a", NULL, 0));
    VALUE(fgetxattr(fd, "user.empty", buffer, 5));
    VALUE(lgetxattr(l, "user.a", buffer, 5));
    VALUE(lsetxattr(l, "user.a", buffer, 5, 0));
    VALUE(setxattr(p, "user.a", buffer, 5, 0));
    VALUE(getxattr(p, "user.a", buffer, 5));
    VALUE(lremovexattr(l, "user.a"));
    VALUE(setxattr(f, "", "x", 1, 0));
    VALUE(setxattr(f, "nothing", "x", 1, 0));
    VALUE(setxattr(f, "user.", "x", 1, 0));
    VALUE(setxattr(f, "user.c", buffer, 65537, 0));
    VALUE(setxattr(f, "user.c", (void *)8, 5, 0));
    memset(buffer, 'n', 300);
    memcpy(buffer, "user.", 5);
    buffer[300] = 0;
    VALUE(setxattr(f, buffer, "x", 1, 0));
    VALUE(getxattr("/tmp/krait-missing", "user.a", buffer, 5));
    VALUE(fgetxattr(99, "user.a", buffer, 5));
    long n = listxattr(f, buffer, sizeof buffer);
    printf("names %ld %d\n", n, memmem(buffer, n, "user.a", 7) && memmem(buffer, n, "user.empty", 11));
    VALUE(flistxattr(fd, buffer, 3));
    VALUE(llistxattr(l, buffer, 100) >= 0);
    VALUE(removexattr(f, "user.a"));
    VALUE(removexattr(f, "user.a"));
    VALUE(fremovexattr(fd, "user.empty"));
    VALUE(listxattr(f, buffer, 100));
    unlink(f);
    unlink(l);
    unlink(p);
    return 0;
}
