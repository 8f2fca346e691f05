/* A plugin of QEMU that counts how often every block of instructions is executed between marks.
 *
 * A mark is the system call getpgid of MARK or more; what it is beyond MARK is its label. There all
 * counts since the mark before are written, and start again. Lines of the file: "mark LABEL", then
 * "ADDRESS INSTRUCTIONS TIMES" of every block that was executed. One thread at a time.
 *
 * Of the plugin API, version 1, only what is used is declared, since distributions have no header.
 *
 *   qemu-aarch64 -plugin libcount_blocks.so,out=FILE PROGRAM */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
typedef void (*translated_callback)(qemu_plugin_id_t id, struct qemu_plugin_tb *block);
typedef void (*called_callback)(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t a1,
                                uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6,
                                uint64_t a7, uint64_t a8);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, translated_callback callback);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t id, called_callback callback);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block, enum qemu_plugin_op op,
                                              void *counter, uint64_t add);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv);
EXPORT extern int qemu_plugin_version;
int qemu_plugin_version = 1;

enum { GETPGID = 155, MARK = 900000000 };

typedef struct block {
    struct block *next;
    uint64_t address, instructions, times;
} block;

static block *blocks;
static FILE *out;

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *given) {
    block *made = malloc(sizeof *made);
    (void)id;
    if (!made)
        abort();
    *made = (block){blocks, qemu_plugin_tb_vaddr(given), qemu_plugin_tb_n_insns(given), 0};
    blocks = made;
    qemu_plugin_register_vcpu_tb_exec_inline(given, QEMU_PLUGIN_INLINE_ADD_U64, &made->times, 1);
}

static void called(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2,
                   uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
    (void)id, (void)cpu, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number != GETPGID || a1 < MARK)
        return;
    fprintf(out, "mark %" PRIu64 "\n", a1 - MARK);
    for (block *one = blocks; one; one = one->next) {
        if (one->times)
            fprintf(out, "%" PRIx64 " %" PRIu64 " %" PRIu64 "\n", one->address, one->instructions,
                    one->times);
        one->times = 0;
    }
    fflush(out);
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv) {
    (void)info;
    for (int i = 0; i < argc; ++i)
        if (!strncmp(argv[i], "out=", 4))
            out = fopen(argv[i] + 4, "w");
    if (!out) {
        fprintf(stderr, "count_blocks: out=FILE names a file that can be written\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
