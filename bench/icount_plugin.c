/* A QEMU TCG plugin that counts guest instructions (plugin API version 1, QEMU 4.2 and later).
 *
 *   gcc -O2 -shared -fPIC -o icount.so icount_plugin.c
 *   qemu-system-x86_64 -plugin ./icount.so,out=FILE ...
 *
 * QEMU counts every iteration of a `rep` string instruction, so the sum without them is printed as well. The few
 * declarations of the API are written here because Debian ships no header for it. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef uint64_t plugin_id;
struct block;
struct instruction;

extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct block *));
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct block *, int, void *, uint64_t);
extern size_t qemu_plugin_tb_n_insns(const struct block *);
extern struct instruction *qemu_plugin_tb_get_insn(const struct block *, size_t);
extern const void *qemu_plugin_insn_data(const struct instruction *);
extern size_t qemu_plugin_insn_size(const struct instruction *);
extern void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;

static uint64_t instructions, iterations, blocks;
static char output[4096];

static int is_repeated_string(struct instruction *which)
{
    const uint8_t *bytes = qemu_plugin_insn_data(which);
    size_t size = qemu_plugin_insn_size(which), at = 0;
    int repeated = 0;
    for (; at < size; at++) {
        if (bytes[at] == 0xf3 || bytes[at] == 0xf2)
            repeated = 1;
        else if (bytes[at] != 0x66 && bytes[at] != 0x67 && (bytes[at] < 0x40 || bytes[at] > 0x4f))
            break;
    }
    if (!repeated || at >= size)
        return 0;
    uint8_t code = bytes[at];
    return (code >= 0xa4 && code <= 0xa7) || (code >= 0xaa && code <= 0xaf) || (code >= 0x6c && code <= 0x6f);
}

static void on_translation(plugin_id id, struct block *block)
{
    (void)id;
    size_t count = qemu_plugin_tb_n_insns(block);
    qemu_plugin_register_vcpu_tb_exec_inline(block, 0, &instructions, count);
    qemu_plugin_register_vcpu_tb_exec_inline(block, 0, &blocks, 1);
    if (count == 1 && is_repeated_string(qemu_plugin_tb_get_insn(block, 0)))
        qemu_plugin_register_vcpu_tb_exec_inline(block, 0, &iterations, 1);
}

static void on_exit_(plugin_id id, void *unused)
{
    (void)id; (void)unused;
    FILE *file = output[0] ? fopen(output, "w") : stderr;
    if (!file)
        return;
    fprintf(file, "{\"instructions\": %lu, \"rep_iterations\": %lu, \"blocks\": %lu}\n",
            instructions, iterations, blocks);
    if (output[0])
        fclose(file);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int count, char **arguments)
{
    (void)info;
    for (int i = 0; i < count; i++)
        if (!strncmp(arguments[i], "out=", 4))
            snprintf(output, sizeof output, "%s", arguments[i] + 4);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, on_exit_, NULL);
    return 0;
}
