/* openat2(2): each limit on resolution, on paths that keep to it and that do not. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include "show.h"

static int folder;

static void try(const char *what, const char *path, unsigned long flags, unsigned long resolve)
{
    struct open_how how = {.flags = flags, .resolve = resolve};
    if (flags & O_CREAT)
        how.mode = 0640;
    long fd = syscall(SYS_openat2, folder, path, &how, sizeof how);
    char text[64] = "";
    if (fd >= 0 && !(flags & (O_DIRECTORY | O_PATH | O_WRONLY))) {
        long count = read(fd, text, sizeof text - 1);
        text[count > 0 ? count : 0] = 0;
    }
    printf("%s, %s: %s %s\n", what, path, fd >= 0 ? "open" : strerrorname_np(errno), text);
    if (fd >= 0)
        close(fd);
}

static void file(const char *path, const char *text)
{
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    write(fd, text, strlen(text));
    close(fd);
}

static const struct { const char *name; unsigned long bits; } LIMITS[] = {
    {"no limit", 0},
    {"no xdev", RESOLVE_NO_XDEV},
    {"no magic links", RESOLVE_NO_MAGICLINKS},
    {"no symlinks", RESOLVE_NO_SYMLINKS},
    {"beneath", RESOLVE_BENEATH},
    {"in root", RESOLVE_IN_ROOT},
    {"beneath, no symlinks", RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS},
    {"beneath, no magic links", RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS},
    {"both scopes", RESOLVE_BENEATH | RESOLVE_IN_ROOT},
    {"unknown", 0x40},
};
static const char *PATHS[] = {
    ".", "..", "a", "/a", "sub/../a", "sub/../../outside", "../outside", "/../a", "link", "absolute", "up",
    "sub/up/a", "into/b", "loop", "missing", "a/", "sub/", "pipe", "null",
};

int main(void)
{
    char top[] = "/tmp/resolve-XXXXXX";
    mkdtemp(top);
    chdir(top);
    file("outside", "outside");
    mkdir("root", 0700);
    folder = open("root", O_PATH | O_DIRECTORY);
    chdir("root");
    file("a", "text of a");
    mkdir("sub", 0700);
    file("sub/b", "text of b");
    symlink("a", "link");
    symlink("/a", "absolute");
    symlink("../outside", "up");
    symlink("..", "sub/up");
    symlink("sub", "into");
    symlink("loop", "loop");
    symlink("/dev/null", "null");
    int ends[2];
    pipe(ends);
    dup2(ends[0], 9);
    write(ends[1], "through a pipe", 14);
    symlink("/proc/self/fd/9", "pipe");
    for (unsigned limit = 0; limit < sizeof LIMITS / sizeof *LIMITS; limit++)
        for (unsigned path = 0; path < sizeof PATHS / sizeof *PATHS; path++)
            if (LIMITS[limit].bits != RESOLVE_NO_XDEV || strcmp(PATHS[path], "absolute")) /* where is /tmp? */
                try(LIMITS[limit].name, PATHS[path], O_RDONLY, LIMITS[limit].bits);
    try("the link itself", "up", O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH);
    try("made", "sub/new", O_CREAT | O_WRONLY, RESOLVE_BENEATH);
    try("made outside", "../new", O_CREAT | O_WRONLY, RESOLVE_BENEATH);
    try("made in root", "../../new", O_CREAT | O_WRONLY, RESOLVE_IN_ROOT);
    printf("in the folder %d, above it %d\n", access("new", F_OK), access("../new", F_OK));
    try("through a link", "up", O_CREAT | O_WRONLY, RESOLVE_BENEATH);
    try("cached", "a", O_RDONLY, RESOLVE_CACHED);
    try("cached and made", "newer", O_CREAT | O_WRONLY, RESOLVE_CACHED);
    try("cached and emptied", "a", O_WRONLY | O_TRUNC, RESOLVE_CACHED);
    folder = AT_FDCWD;
    try("working directory", "a", O_RDONLY, RESOLVE_BENEATH);
    try("working directory", "../outside", O_RDONLY, RESOLVE_BENEATH);
    try("working directory", "/sub/b", O_RDONLY, RESOLVE_IN_ROOT);
    try("into /proc", "/proc/version", O_PATH, RESOLVE_NO_XDEV);
    folder = open("/proc", O_PATH);
    try("in /proc", "version", O_PATH, RESOLVE_NO_XDEV);
    try("out of /proc", "..", O_PATH, RESOLVE_NO_XDEV);
    folder = 77;
    try("no descriptor", "a", O_RDONLY, RESOLVE_BENEATH);
    try("no descriptor", "/tmp", O_PATH, RESOLVE_NO_SYMLINKS);
    folder = open("a", O_RDONLY);
    try("no directory", "a", O_RDONLY, RESOLVE_BENEATH);
    return 0;
}
