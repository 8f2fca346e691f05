#define _GNU_SOURCE
#include "call.h"

#include "guard.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* CANARY_BYTES: above the function's frame, where only its callers may write. */
enum { STACK_BYTES = 1 << 20, CANARY_BYTES = 1024, CANARY = 0xc5, HANDLER_BYTES = 1 << 16 };

static check_guarded stack;
static sigjmp_buf way_out;
static volatile sig_atomic_t calling;
static bool wide;
static char crash[CHECK_FAULT_BYTES];

/* How far an address lies from what is guarded, in words. */
static void name_place(const void *address, char *words, size_t room) {
    const check_guarded *guarded = check_guarded_at(address);
    if (!guarded) {
        snprintf(words, room, "at %p, which is nobody's", address);
        return;
    }
    const intptr_t at = (intptr_t)address, data = (intptr_t)guarded->data;
    const intptr_t end = data + (intptr_t)guarded->bytes;
    if (at >= end)
        snprintf(words, room, "%lld bytes behind the end of %s (%zu bytes)", (long long)(at - end),
                 guarded->name, guarded->bytes);
    else if (at < data)
        snprintf(words, room, "%lld bytes before the start of %s (%zu bytes)",
                 (long long)(data - at), guarded->name, guarded->bytes);
    else
        snprintf(words, room, "at byte %lld of %s (%zu bytes), which may only be read",
                 (long long)(at - data), guarded->name, guarded->bytes);
}

static void leave(int signal, siginfo_t *what, void *context) {
    static const char *const ways[] = {"access", "read", "write"};
    char place[CHECK_FAULT_BYTES / 2] = "";
    if (!calling) { /* a fault of this program's own */
        const char words[] = "check_kernels: crashed outside of any kernel\n";
        (void)!write(STDERR_FILENO, words, sizeof words - 1);
        _exit(3);
    }
    if (signal == SIGSEGV || signal == SIGBUS)
        name_place(what->si_addr, place, sizeof place);
    switch (signal) {
    case SIGSEGV:
    case SIGBUS:
        snprintf(crash, sizeof crash, "%s: %s %s", signal == SIGBUS ? "SIGBUS" : "SIGSEGV",
                 ways[check_fault_writes(context) + 1], place);
        break;
    case SIGALRM:
        snprintf(crash, sizeof crash, "does not end");
        break;
    default:
        snprintf(crash, sizeof crash, "%s",
                 signal == SIGILL    ? "SIGILL: an instruction that this CPU does not have"
                 : signal == SIGFPE  ? "SIGFPE: an arithmetic exception"
                 : signal == SIGABRT ? "SIGABRT: it gave up, as a guarded stack does"
                                     : "SIGTRAP");
    }
    siglongjmp(way_out, 1);
}

void check_prepare_calls(void) {
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGALRM};
    struct sigaction action;
    stack_t handlers = {.ss_sp = malloc(HANDLER_BYTES), .ss_size = HANDLER_BYTES};
    if (!handlers.ss_sp || sigaltstack(&handlers, NULL)) {
        fprintf(stderr, "check_kernels: no stack for signals\n");
        exit(2);
    }
    memset(&action, 0, sizeof action);
    action.sa_sigaction = leave;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; ++i)
        sigaction(signals[i], &action, NULL);
    wide = check_has_wide_registers();
    check_guard(&stack, "the stack", STACK_BYTES, CHECK_AT_END);
    memset(stack.data, CANARY, STACK_BYTES);
}

void check_run(const check_call *call, char fault[CHECK_FAULT_BYTES]) {
    static check_frame frame; /* known after a jump */
    frame = (check_frame){
        .function = call->function, .stack = stack.data + STACK_BYTES - CANARY_BYTES, .wide = wide};
    memcpy(frame.arguments, call->arguments, sizeof frame.arguments);
    fault[0] = '\0';
    crash[0] = '\0';
    if (sigsetjmp(way_out, 1)) {
        calling = 0;
        check_reset_modes(&frame);
        memcpy(fault, crash, CHECK_FAULT_BYTES);
    } else {
        calling = 1;
        check_trampoline(&frame);
        calling = 0;
        check_judge(&frame, fault);
    }
    char *above = stack.data + STACK_BYTES - CANARY_BYTES;
    for (int i = 0; i < CANARY_BYTES; ++i)
        if (above[i] != (char)CANARY && !fault[0])
            snprintf(fault, CHECK_FAULT_BYTES, "the stack of its caller is written, %d bytes above",
                     i);
    memset(above, CANARY, CANARY_BYTES);
}

void check_limit_seconds(unsigned seconds) {
    alarm(seconds);
}

size_t check_deepest_stack(void) {
    const size_t room = STACK_BYTES - CANARY_BYTES;
    size_t unused = 0;
    while (unused < room && stack.data[unused] == (char)CANARY)
        ++unused;
    return room - unused;
}
