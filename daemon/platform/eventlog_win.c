/* The Windows Event Log: one event a record, as messages.h and the message file built from it
 * (windows-service/events.c) describe. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/parse.h"
#include "platform/service_win.h"

#define SOURCE_KEY "SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\" TS_SERVICE_NAME
#define INSERT_MAX 1024 /* bytes of a single field */
#define FIELDS_MAX 8192 /* of all fields; the system's own limit is some 31,000 */

struct insert {
    int number;
    const char *field;
};

static const struct insert inserts[] = {
#define INSERT(number, field) {number, field},
    TS_MESSAGE_INSERTS(INSERT)};

static WORD category_of(const char *name)
{
    static const struct insert groups[] = {
#define GROUP(number, word) {number, word},
        TS_MESSAGE_GROUPS(GROUP)};
    size_t len = strcspn(name, ".");
    for (size_t i = 0; i < TS_ARRAY_LEN(groups); i++) {
        if (strlen(groups[i].field) == len && strncmp(groups[i].field, name, len) == 0) {
            return (WORD)groups[i].number;
        }
    }
    return 0;
}

/* The event's type, and the severity's two bits at the top of its id (winerror.h). */
static WORD type_of(enum ts_log_level level, DWORD *ret_severity)
{
    switch (level) {
    case TS_LOG_ERROR: *ret_severity = 3; return EVENTLOG_ERROR_TYPE;
    case TS_LOG_WARNING: *ret_severity = 2; return EVENTLOG_WARNING_TYPE;
    case TS_LOG_NOTICE:
    case TS_LOG_INFO:
    case TS_LOG_DEBUG: break;
    }
    *ret_severity = 1;
    return EVENTLOG_INFORMATION_TYPE;
}

static void add_field(struct ts_buf *all, const struct ts_field *f)
{
    if (f->kind == TS_FIELD_I64) {
        (void)ts_buf_addf(all, "%s=%" PRId64 "\r\n", f->name, f->i64);
    } else if (f->str != NULL && f->str[0] != '\0') {
        (void)ts_buf_addf(all, "%s=%.*s\r\n", f->name, INSERT_MAX, f->str);
    }
}

/* Which string stands for a field of its own; -1: none. */
static int insert_of(const char *field)
{
    for (size_t i = 0; i < TS_ARRAY_LEN(inserts); i++) {
        if (strcmp(inserts[i].field, field) == 0) {
            return inserts[i].number - 1;
        }
    }
    return -1;
}

void ts_eventlog_sink(void *ctx, const struct ts_log_record *record)
{
    (void)ctx;
    static HANDLE source; /* as long as the process lives */
    const char *strings[TS_MESSAGE_INSERTS_MAX];
    struct ts_buf all = ts_buf_init(FIELDS_MAX);
    DWORD severity;
    WORD type = type_of(record->level, &severity);
    for (size_t i = 0; i < TS_ARRAY_LEN(strings); i++) {
        strings[i] = "";
    }
    for (size_t i = 0; i < record->field_count; i++) {
        const struct ts_field *f = &record->fields[i];
        int at = f->kind == TS_FIELD_STR && f->str != NULL ? insert_of(f->name) : -1;
        add_field(&all, f);
        if (at >= 0) {
            strings[at] = f->str;
        }
    }
    strings[0] = record->text;
    strings[1] = record->name;
    strings[2] = ts_buf_text(&all);
    if (source == NULL) {
        source = RegisterEventSourceA(NULL, TS_SERVICE_NAME);
    }
    if (source != NULL) {
        (void)ReportEventA(source, type, category_of(record->name),
                           severity << 30 | (DWORD)record->msg, NULL, TS_MESSAGE_INSERTS_MAX, 0,
                           strings, NULL);
    }
    ts_buf_done(&all);
}

static bool set_number(HKEY key, const char *name, DWORD value)
{
    union {
        DWORD number;
        BYTE bytes[sizeof(DWORD)];
    } u = {.number = value};
    return RegSetValueExA(key, name, 0, REG_DWORD, u.bytes, sizeof(u)) == ERROR_SUCCESS;
}

static bool set_file(HKEY key, const char *name, const char *path)
{
    BYTE bytes[MAX_PATH];
    size_t n = strlen(path) + 1;
    if (n > sizeof(bytes)) {
        return false;
    }
    memcpy(bytes, path, n);
    return RegSetValueExA(key, name, 0, REG_EXPAND_SZ, bytes, (DWORD)n) == ERROR_SUCCESS;
}

bool ts_eventlog_register(const char *program, struct ts_error *err)
{
    HKEY key;
#define GROUP_ONE(number, word) +1
    const DWORD groups = 0 TS_MESSAGE_GROUPS(GROUP_ONE);
    LSTATUS why =
        RegCreateKeyExA(HKEY_LOCAL_MACHINE, SOURCE_KEY, 0, NULL, 0, KEY_WRITE, NULL, &key, NULL);
    if (why != ERROR_SUCCESS) {
        return ts_error_win32(err, (DWORD)why, "register the event source");
    }
    bool ok = set_file(key, "EventMessageFile", program) &&
              set_file(key, "CategoryMessageFile", program) &&
              set_number(key, "CategoryCount", groups) &&
              set_number(key, "TypesSupported",
                         EVENTLOG_ERROR_TYPE | EVENTLOG_WARNING_TYPE | EVENTLOG_INFORMATION_TYPE);
    (void)RegCloseKey(key);
    return ok || ts_error_set(err, TS_E_SYSTEM, "the event source cannot be registered");
}

bool ts_eventlog_unregister(struct ts_error *err)
{
    LSTATUS why = RegDeleteKeyExA(HKEY_LOCAL_MACHINE, SOURCE_KEY, 0, 0);
    return why == ERROR_SUCCESS || why == ERROR_FILE_NOT_FOUND ||
           ts_error_win32(err, (DWORD)why, "remove the event source");
}
