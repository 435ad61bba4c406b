/* Windows: the service manager is asked, and what lib/boot gathers of the engine. */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "base/usual.h"
#include "base/win.h"
#include "boot/engine_win.h"
#include "machine_facts.h"

#include <iphlpapi.h>
#include <psapi.h>

#define SERVICE     "tradestackd"
#define TABLE_TRIES 4 /* it grows between the two calls */

static struct ctl_boot_fact daemon_fact(void)
{
    bool automatic = false;
    enum ts_boot_service state = ts_boot_service(SERVICE, &automatic);
    struct ctl_boot_fact f = {.id = "daemon-at-boot", .what = "tradestackd is started at boot"};
    f.holds = automatic ? CTL_YES : CTL_NO;
    (void)snprintf(f.evidence, sizeof(f.evidence), "service " SERVICE ": %s",
                   state == TS_BOOT_SERVICE_NONE ? "not installed"
                   : automatic                   ? "starts automatically"
                                                 : "does not start automatically");
    if (f.holds == CTL_NO) {
        (void)snprintf(f.cure, sizeof(f.cure), "%s",
                       state == TS_BOOT_SERVICE_NONE ? "tradestackd service install"
                                                     : "sc config " SERVICE " start= auto");
    }
    return f;
}

static struct ctl_boot_fact active_fact(void)
{
    struct ctl_boot_fact f = {.id = "daemon-by-manager",
                              .what = "the tradestackd that runs is the service manager's"};
    bool runs = ts_boot_service(SERVICE, NULL) == TS_BOOT_SERVICE_RUNNING;
    f.holds = runs ? CTL_YES : CTL_NO;
    (void)snprintf(f.evidence, sizeof(f.evidence), "service " SERVICE ": %s",
                   runs ? "runs" : "does not run");
    if (!runs) {
        (void)snprintf(f.cure, sizeof(f.cure), "sc start " SERVICE " (end the other first)");
    }
    return f;
}

static struct ctl_boot_fact engine_fact(const struct ctl_boot_question *q)
{
    const struct ts_boot_facts facts =
        ts_boot_gather(q->engine[0] != '\0' ? q->engine : TS_USUAL_ENGINE);
    struct ctl_boot_fact f = {.id = "engine-at-boot",
                              .what = "the container engine comes back with nobody there"};
    bool unattended = ts_boot_is_unattended(&facts, q->has_start_command);
    f.holds = facts.remote ? CTL_UNKNOWN : unattended ? CTL_YES : CTL_NO;
    if (facts.remote) {
        (void)snprintf(f.evidence, sizeof(f.evidence),
                       "it is reached at %.100s: whether it starts is that machine's", q->engine);
        return f;
    }
    (void)snprintf(f.evidence, sizeof(f.evidence), "service docker %s; Docker Desktop %s; %s%s",
                   facts.docker == TS_BOOT_SERVICE_NONE ? "is not installed"
                   : facts.docker_auto                  ? "starts automatically"
                                                        : "does not start automatically",
                   facts.desktop ? "is installed" : "is not installed",
                   facts.autologon ? "somebody is logged on at boot"
                                   : "nobody is logged on at boot",
                   q->has_start_command ? "; [engine] start_command is set" : "");
    if (f.holds == CTL_NO) {
        (void)snprintf(f.cure, sizeof(f.cure), "%s",
                       facts.docker != TS_BOOT_SERVICE_NONE
                           ? "sc config docker start= auto"
                           : "one of the set-ups of windows.md, \"Truly unattended\"");
    }
    return f;
}

/* What keeps it from answering right now; nothing while it does. */
static bool situation_fact(const struct ctl_boot_question *q, struct ctl_boot_fact *ret)
{
    const struct ts_boot_facts facts =
        ts_boot_gather(q->engine[0] != '\0' ? q->engine : TS_USUAL_ENGINE);
    enum ts_boot_situation s = ts_boot_judge(&facts);
    if (s == TS_BOOT_REMOTE || s == TS_BOOT_PIPE_THERE) {
        return false;
    }
    *ret = (struct ctl_boot_fact){
        .id = "engine-now", .holds = CTL_NO, .what = "the container engine runs now"};
    ts_copy_cut(ret->evidence, sizeof(ret->evidence), ts_boot_meaning(s));
    ts_copy_cut(ret->cure, sizeof(ret->cure), ts_boot_remedy(s));
    return true;
}

size_t ctl_boot_facts(const struct ctl_boot_question *q, struct ctl_boot_fact *ret, size_t max)
{
    struct ctl_boot_fact all[4];
    size_t count = 0;
    all[count++] = daemon_fact();
    all[count++] = active_fact();
    all[count++] = engine_fact(q);
    count += situation_fact(q, &all[count]) ? 1U : 0U;
    size_t n = count < max ? count : max;
    memcpy(ret, all, n * sizeof(all[0]));
    return n;
}

/* --- listeners */

static void name_of(DWORD pid, char *out, size_t size)
{
    char path[MAX_PATH] = "";
    HANDLE process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, pid);
    DWORD n = sizeof(path);
    if (process != NULL && QueryFullProcessImageNameA(process, 0, path, &n) != 0) {
        const char *slash = strrchr(path, '\\');
        ts_copy_cut(out, size, slash != NULL ? slash + 1 : path);
    }
    if (process != NULL) {
        (void)CloseHandle(process);
    }
}

/* The table of listening sockets with their owners; to be freed. */
static MIB_TCPTABLE_OWNER_PID *read_table(void)
{
    DWORD size = 0;
    MIB_TCPTABLE_OWNER_PID *table = NULL;
    for (int i = 0; i < TABLE_TRIES; i++) {
        DWORD rc =
            GetExtendedTcpTable(table, &size, FALSE, AF_INET, TCP_TABLE_OWNER_PID_LISTENER, 0);
        if (rc == NO_ERROR && table != NULL) {
            return table;
        }
        free(table);
        table = rc == ERROR_INSUFFICIENT_BUFFER ? malloc(size) : NULL;
        if (table == NULL) {
            return NULL;
        }
    }
    free(table);
    return NULL;
}

size_t ctl_listeners(struct ctl_listener *ret, size_t max)
{
    MIB_TCPTABLE_OWNER_PID *table = read_table();
    size_t n = 0;
    for (DWORD i = 0; table != NULL && i < table->dwNumEntries && n < max; i++) {
        const MIB_TCPROW_OWNER_PID *row = &table->table[i];
        const unsigned char *ip = (const unsigned char *)&row->dwLocalAddr; /* network order */
        struct ctl_listener *at = &ret[n++];
        *at = (struct ctl_listener){.port = ntohs((uint16_t)row->dwLocalPort),
                                    .pid = (int64_t)row->dwOwningPid};
        (void)snprintf(at->address, sizeof(at->address), "%u.%u.%u.%u", ip[0], ip[1], ip[2], ip[3]);
        name_of(row->dwOwningPid, at->process, sizeof(at->process));
    }
    free(table);
    return n;
}
