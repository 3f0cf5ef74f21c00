/*
 * init for a one-program Linux guest: mount, load modules, set up eth0 and the
 * disk, run /cmd (one argument a line), then end QEMU through isa-debug-exit
 * (port 0x501) with the program's status, or reboot where there is none.
 * Kernel command line words, in the environment: nonet=1, nodisk=1, noproc=1 leave
 * that out; ondisk=1 runs the program chrooted into the disk (/dev/vda, ext4, read-only). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void ifup(const char *name, const char *ip, const char *mask, const char *gw)
{
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq r = { 0 };
    struct sockaddr_in *a = (void *)&r.ifr_addr;
    if (s < 0) return;
    strcpy(r.ifr_name, name);
    a->sin_family = AF_INET;
    inet_pton(AF_INET, ip, &a->sin_addr);
    if (ioctl(s, SIOCSIFADDR, &r)) { close(s); return; }
    inet_pton(AF_INET, mask, &a->sin_addr);
    ioctl(s, SIOCSIFNETMASK, &r);
    ioctl(s, SIOCGIFFLAGS, &r);
    r.ifr_flags |= IFF_UP | IFF_RUNNING;
    ioctl(s, SIOCSIFFLAGS, &r);
    if (gw) {
        struct rtentry rt = { .rt_flags = RTF_UP | RTF_GATEWAY };
        ((struct sockaddr_in *)&rt.rt_dst)->sin_family = AF_INET;
        ((struct sockaddr_in *)&rt.rt_genmask)->sin_family = AF_INET;
        struct sockaddr_in *g = (void *)&rt.rt_gateway;
        g->sin_family = AF_INET;
        inet_pton(AF_INET, gw, &g->sin_addr);
        ioctl(s, SIOCADDRT, &rt);
    }
    close(s);
}

static void modules(const char *list)
{
    char p[256];
    FILE *f = fopen(list, "r");
    if (!f) return;
    while (fgets(p, sizeof p, f)) {
        p[strcspn(p, "\n")] = 0;
        int fd = open(p, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || syscall(SYS_finit_module, fd, "", 0)) fprintf(stderr, "init: %s: %m\n", p);
        close(fd);
    }
    fclose(f);
}

int main(void)
{
    static char buf[4096];
    char *av[64]; int n = 0, st = 0;
    mkdir("/dev", 0755);
    mount("dev", "/dev", "devtmpfs", 0, "");
    int c = open("/dev/console", O_RDWR);
    if (c >= 0) { dup2(c, 0); dup2(c, 1); dup2(c, 2); if (c > 2) close(c); }
    if (!getenv("noproc")) {
        mkdir("/proc", 0755); mount("proc", "/proc", "proc", 0, "");
        mkdir("/sys", 0755); mount("sys", "/sys", "sysfs", 0, "");
        mkdir("/dev/shm", 01777); mount("shm", "/dev/shm", "tmpfs", 0, "");
        mkdir("/tmp", 01777); mount("tmp", "/tmp", "tmpfs", 0, "");
    }
    modules("/modules");
    if (!getenv("nonet")) {
        ifup("lo", "127.0.0.1", "255.0.0.0", NULL);
        ifup("eth0", "10.0.2.15", "255.255.255.0", "10.0.2.2");
    }
    if (!getenv("nodisk")) {
        mkdir("/disk", 0755);
        for (int i = 0; i < 50 && access("/dev/vda", F_OK); i++) usleep(10000);
        if (!access("/dev/vda", F_OK) && mount("/dev/vda", "/disk", "ext4", MS_RDONLY, "")) perror("init: mount /disk");
    }
    int fd = open("/cmd", O_RDONLY);
    if (fd < 0 || read(fd, buf, sizeof buf - 1) <= 0) perror("init: /cmd");
    close(fd);
    for (char *p = strtok(buf, "\n"); p && n < 63; p = strtok(NULL, "\n")) av[n++] = p;
    av[n] = NULL;
    if (getenv("ondisk")) {
        mount("/dev", "/disk/dev", NULL, MS_BIND, NULL); mount("/proc", "/disk/proc", NULL, MS_BIND, NULL);
        mount("/tmp", "/disk/tmp", NULL, MS_BIND, NULL); mount("/sys", "/disk/sys", NULL, MS_BIND, NULL);
        if (chroot("/disk") || chdir("/")) perror("init: chroot");
    }
    setenv("HOME", "/", 1); setenv("PATH", "/usr/bin:/bin:/usr/sbin:/sbin", 1);
    pid_t pid = fork();
    if (pid == 0) { execv(av[0], av); perror(av[0]); _exit(127); }
    while (waitpid(pid, &st, 0) != pid && errno == EINTR) ;
    sync();
    umount("/disk");
    if (ioperm(0x501, 4, 1) == 0) outl(WIFEXITED(st) ? WEXITSTATUS(st) : 126, 0x501);
    reboot(RB_AUTOBOOT);
    return 0;
}
