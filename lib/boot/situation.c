/* See situation.h. */
#include "boot/situation.h"

static const struct {
    const char *name;
    const char *meaning;
} rows[TS_BOOT_SITUATION_COUNT] = {
#define ROW(symbol, name, meaning) [symbol] = {name, meaning},
    TS_BOOT_SITUATIONS(ROW)};

static bool is_down(enum ts_boot_service s)
{
    return s == TS_BOOT_SERVICE_STOPPED || s == TS_BOOT_SERVICE_DISABLED;
}

enum ts_boot_situation ts_boot_judge(const struct ts_boot_facts *f)
{
    if (f->remote) {
        return TS_BOOT_REMOTE;
    }
    if (f->pipe) {
        return TS_BOOT_PIPE_THERE;
    }
    if (is_down(f->docker)) {
        return TS_BOOT_SERVICE_IS_DOWN;
    }
    if (!f->desktop && f->helper == TS_BOOT_SERVICE_NONE) {
        return f->docker == TS_BOOT_SERVICE_NONE ? TS_BOOT_NOT_INSTALLED : TS_BOOT_DESKTOP_STARTS;
    }
    if (is_down(f->helper)) {
        return TS_BOOT_HELPER_IS_DOWN;
    }
    if (!f->logged_on) {
        return TS_BOOT_NOBODY_LOGGED_ON;
    }
    if (f->desktop_uses_wsl && (f->wsl == TS_BOOT_SERVICE_NONE || is_down(f->wsl))) {
        return TS_BOOT_WSL_MISSING;
    }
    return f->desktop_runs ? TS_BOOT_DESKTOP_STARTS : TS_BOOT_DESKTOP_NOT_STARTED;
}

const char *ts_boot_name(enum ts_boot_situation s)
{
    return rows[s].name;
}

const char *ts_boot_meaning(enum ts_boot_situation s)
{
    return rows[s].meaning;
}

const char *ts_boot_remedy(enum ts_boot_situation s)
{
    switch (s) {
    case TS_BOOT_REMOTE:
    case TS_BOOT_PIPE_THERE: return "";
    case TS_BOOT_SERVICE_IS_DOWN: return "sc config docker start= auto && sc start docker";
    case TS_BOOT_NOT_INSTALLED:
        return "install Docker Desktop or an engine, or set [engine] address to one that is "
               "reached "
               "over TCP";
    case TS_BOOT_HELPER_IS_DOWN:
        return "sc config com.docker.service start= auto && sc start com.docker.service";
    case TS_BOOT_WSL_MISSING: return "wsl --install --no-distribution, then restart Windows";
    case TS_BOOT_NOBODY_LOGGED_ON:
        return "log on; for a machine that comes back by itself see docs/windows.md, "
               "\"Truly unattended\"";
    case TS_BOOT_DESKTOP_NOT_STARTED:
        return "start Docker Desktop, and set \"Start Docker Desktop when you sign in\"";
    case TS_BOOT_DESKTOP_STARTS:
        return "wait; after some minutes look at Docker Desktop's own window";
    case TS_BOOT_SITUATION_COUNT: break;
    }
    return "";
}

const char *ts_boot_service_to_start(enum ts_boot_situation s)
{
    return s == TS_BOOT_SERVICE_IS_DOWN  ? "docker"
           : s == TS_BOOT_HELPER_IS_DOWN ? "com.docker.service"
                                         : NULL;
}

bool ts_boot_command_helps(enum ts_boot_situation s)
{
    return s != TS_BOOT_PIPE_THERE && s != TS_BOOT_DESKTOP_STARTS &&
           ts_boot_service_to_start(s) == NULL;
}

bool ts_boot_is_unattended(const struct ts_boot_facts *f, bool has_start_command)
{
    if (f->remote || has_start_command) {
        return true;
    }
    if (f->docker != TS_BOOT_SERVICE_NONE) {
        return f->docker_auto;
    }
    return f->desktop && f->autologon;
}
