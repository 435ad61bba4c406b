/* Windows: the service manager is asked, and what lib/boot gathers of the engine. */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
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
                       state == TS_BOOT_SERVICE_NONE ? "tradestackd --install"
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

static struct ctl_boot_fact engine_fact(void)
{
    const struct ts_boot_facts facts = ts_boot_gather("");
    struct ctl_boot_fact f = {.id = "engine-at-boot",
                              .what = "the container engine comes back with nobody logged on"};
    f.holds = ts_boot_is_unattended(&facts, false) ? CTL_YES : CTL_NO;
    (void)snprintf(f.evidence, sizeof(f.evidence), "service docker %s; Docker Desktop %s; %s",
                   facts.docker == TS_BOOT_SERVICE_NONE ? "is not installed"
                   : facts.docker_auto                  ? "starts automatically"
                                                        : "does not start automatically",
                   facts.desktop ? "is installed" : "is not installed",
                   facts.autologon ? "somebody is logged on at boot"
                                   : "nobody is logged on at boot");
    if (f.holds == CTL_NO) {
        (void)snprintf(f.cure, sizeof(f.cure), "%s",
                       facts.docker != TS_BOOT_SERVICE_NONE
                           ? "sc config docker start= auto"
                           : "log somebody on at boot, with Docker Desktop started at log-on");
    }
    return f;
}

size_t ctl_boot_facts(const char *engine_unit, struct ctl_boot_fact *ret, size_t max)
{
    size_t n = 0;
    (void)engine_unit;
    if (n < max) {
        ret[n++] = daemon_fact();
    }
    if (n < max) {
        ret[n++] = active_fact();
    }
    if (n < max) {
        ret[n++] = engine_fact();
    }
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
