#include "unit.h"

#include <stdio.h>

#include "base/log.h"
#include "base/macros.h"
#include "config/config.h"
#include "os.h"

/* Enough to pass all checks; rows below are put behind it. */
#define BOT "[service bot]\nguarded = yes\n"

static struct ts_config_errors errs;

static struct ts_model *parse(const char *text)
{
    return ts_config_parse(text, strlen(text), "dir/t.conf", &errs);
}

static struct ts_model *parse_fine(const char *text)
{
    struct ts_model *m = parse(text);
    if (m == NULL) {
        char line[512];
        ts_config_error_print(&errs, 0, line, sizeof(line));
        fail_msg("%s", line);
    }
    return m;
}

static void test_sample_gives_the_built_in_stack(void **state)
{
    (void)state;
    struct ts_model *m = ts_config_defaults();
    assert_non_null(m);
    assert_string_equal(m->project, "docker");
    assert_string_equal(m->state_dir, TS_USUAL_STATE_DIR);
    assert_string_equal(m->socket, TS_USUAL_SOCKET);
    assert_int_equal(m->log_level, TS_LOG_INFO);
    assert_int_equal(m->service_count, 3);
    const struct ts_svc_spec *gateway = ts_model_find(m, "gateway");
    assert_non_null(gateway);
    assert_int_equal(gateway->probe_count, 1);
    const struct ts_probe_spec *api = &gateway->probes[0];
    assert_int_equal(api->kind, TS_PROBE_IBAPI);
    assert_int_equal(api->purposes,
                     TS_PURPOSE_STARTUP | TS_PURPOSE_LIVENESS | TS_PURPOSE_READINESS);
    assert_int_equal(api->port, 0);
    assert_int_equal(api->interval_ms, 1000);
    assert_int_equal(gateway->act_after_ms, 120000);
    assert_int_equal(gateway->budget, 4);
    assert_int_equal(gateway->budget_window_ms, 86400000);
    assert_true(gateway->windows);
    assert_false(gateway->guarded);
    assert_int_equal(gateway->signal_count, 12);
    const struct ts_svc_spec *bot = ts_model_find(m, "trading-bot");
    assert_non_null(bot);
    assert_true(bot->guarded);
    assert_int_equal(bot->probes[0].port, 8080);
    assert_string_equal(bot->probes[0].path, "/health");
    assert_int_equal(m->defaults.probe_count, 1);
    assert_int_equal(m->window_count, 2);
    assert_int_equal(m->windows[0].from_min, 23 * 60 + 45);
    assert_int_equal(m->windows[1].days, 1 << 5);
    assert_int_equal(m->channel_count, 1);
    assert_true(m->channels[0].optional);
    assert_true(ts_model_is_paper(m, "DU1234567"));
    assert_false(ts_model_is_paper(m, "U1234567"));
    ts_model_free(m);
}

static void test_sections_inherit_keys_but_no_probes_from_the_star(void **state)
{
    (void)state;
    struct ts_model *m =
        parse_fine("[probe a/x]\nkind = tcp\nport = 1\n" BOT "[service a]\nbudget = 7\n"
                   "[probe */h]\nkind = engine\n"
                   "[service *]\nbudget = 3\nstop_grace = 44s\n");
    assert_int_equal(m->defaults.budget, 3);
    assert_int_equal(m->defaults.probe_count, 1);
    const struct ts_svc_spec *a = ts_model_find(m, "a");
    assert_int_equal(a->budget, 7);
    assert_int_equal(a->stop_grace_ms, 44000);
    assert_int_equal(a->probe_count, 1);
    assert_string_equal(a->probes[0].name, "x");
    assert_int_equal(ts_model_find(m, "bot")->probe_count, 0);
    ts_model_free(m);
}

static void test_every_kind_of_value_is_taken(void **state)
{
    (void)state;
    struct ts_model *m = parse_fine("\xEF\xBB\xBF[daemon] ; first\r\n"
                                    "  project: p-1\r\n"
                                    "\tlog_level = debug   ; comment\n"
                                    "log_json = on\n"
                                    "[safety]\npaper_prefixes = DU,DF DW\n"
                                    "[window w]\ndays = mon, sat\nfrom = 00:00\nto = 23:59\n"
                                    "zone = utc\nslack = 1m30s\n"
                                    "[service bot]\nguarded = yes\nrestart = on-failure\n"
                                    "depends_on = a b\nbackoff_jitter = 0\n"
                                    "[signals bot]\nlogin-ok = a;b\nlogin-ok = ^c{2}$\n");
    assert_string_equal(m->project, "p-1");
    assert_int_equal(m->log_level, TS_LOG_DEBUG);
    assert_true(m->log_json);
    assert_int_equal(m->paper_prefix_count, 3);
    assert_string_equal(m->paper_prefixes[2], "DW");
    assert_int_equal(m->windows[0].days, 2 | 64);
    assert_int_equal(m->windows[0].to_min, 23 * 60 + 59);
    assert_int_equal(m->windows[0].zone, TS_ZONE_UTC);
    assert_int_equal(m->windows[0].slack_ms, 90000);
    const struct ts_svc_spec *bot = ts_model_find(m, "bot");
    assert_int_equal(bot->restart, TS_RESTART_ON_FAILURE);
    assert_int_equal(bot->dep_count, 2);
    assert_string_equal(bot->deps[1], "b");
    assert_int_equal(bot->backoff_jitter_pct, 0);
    assert_int_equal(bot->signal_count, 2);
    assert_string_equal(bot->signals[0].pattern, "a;b");
    ts_model_free(m);
}

/* One mistake a row: what stands in the file and the only thing that may be said about it. */
static const struct {
    const char *text;
    const char *message;
} mistakes[] = {
    {BOT "nonsense\n", "dir/t.conf:3: neither \"key = value\" nor \"[section]\""},
    {"project = x\n" BOT, "dir/t.conf:1: a key before the first [section]"},
    {BOT "[daemon\nproject = x\n", "dir/t.conf:3: the section header lacks its ']'"},
    {BOT "[daemon] project = x\n", "dir/t.conf:3: text behind the section header; want a new line"},
    {BOT "[daemon]\nproject = a\x01z\n", "dir/t.conf:4: control characters are not allowed"},
    {BOT "[deamon]\nproject = x\n",
     "dir/t.conf:3: [deamon] unknown section; did you mean 'daemon'?"},
    {BOT "[kubernetes]\n",
     "dir/t.conf:3: [kubernetes] unknown section; there are daemon, engine, control, alerts, "
     "channel, safety, observe, window, service, probe, signals"},
    {BOT "[daemon x]\n", "dir/t.conf:3: [daemon x] want [daemon]"},
    {BOT "[window]\n", "dir/t.conf:3: [window] want [window NAME]"},
    {BOT "[probe bot]\n", "dir/t.conf:3: [probe bot] want [probe SERVICE/NAME]"},
    {BOT "[service a/b]\n",
     "dir/t.conf:3: [service a/b] 'a/b' is not a name; want letters and digits, and _ . - inside, "
     "at most 63 bytes"},
    {BOT "[probe bto/x]\nkind = tcp\n",
     "dir/t.conf:3: [probe bto/x] there is no section [service bto]; did you mean 'bot'?"},
    {BOT "[signals gateway]\n",
     "dir/t.conf:3: [signals gateway] there is no section [service gateway]; add it, even if it "
     "stays empty"},
    {BOT "[daemon]\n\n[engine]\n[daemon]\n",
     "dir/t.conf:6: [daemon] stands here again; it began in line 3"},
    {BOT "guarded = no\n", "dir/t.conf:3: [service bot] guarded: given again; it stands in line 2"},
    {BOT "restrat = never\n",
     "dir/t.conf:3: [service bot] restrat: unknown key; did you mean 'restart'?"},
    {BOT "interval = 1s\n",
     "dir/t.conf:3: [service bot] interval: unknown key here; it belongs to [observe]"},
    {BOT "[observe]\ncolour = red\n",
     "dir/t.conf:4: [observe] colour: unknown key; there are interval, supervisor, fall"},
    {BOT "restart = allways\n", "dir/t.conf:3: [service bot] restart: 'allways' is not one of "
                                "always, on-failure, never"},
    {BOT "stop_grace = 10\n",
     "dir/t.conf:3: [service bot] stop_grace: '10' is not a span with its unit (ms, s, m, h, d); "
     "want 0 to 1h"},
    {BOT "stop_grace = 2h\n",
     "dir/t.conf:3: [service bot] stop_grace: '2h' is out of range; want 0 to 1h"},
    {BOT "budget = 65\n",
     "dir/t.conf:3: [service bot] budget: '65' is not a number in range; want 1 to 64"},
    {BOT "backoff_jitter = 101\n", "dir/t.conf:3: [service bot] backoff_jitter: '101' is not a "
                                   "number in range; want 0 to 100"},
    {BOT "windows = maybe\n",
     "dir/t.conf:3: [service bot] windows: 'maybe' is neither yes nor no; want yes or no"},
    {BOT "depends_on = bot\n",
     "dir/t.conf:3: [service bot] depends_on: a service cannot depend on itself"},
    {BOT "depends_on = a b c d e f g h i j k l m n o p q\n",
     "dir/t.conf:3: [service bot] depends_on: 'a b c d e f g h i j k l m n o p q' has 17 items, at "
     "most 16 are "
     "allowed"},
    {BOT "backoff_max = 500ms\n",
     "dir/t.conf:3: [service bot] backoff_max: backoff_first is longer than backoff_max"},
    {BOT "[daemon]\nproject = -x\n", "dir/t.conf:4: [daemon] project: '-x' is not a name; want "
                                     "letters and digits, and _ . - inside"},
    {BOT "[daemon]\nproject =\n", "dir/t.conf:4: [daemon] project: '' must not be empty"},
    {BOT "[control]\nsocket = run/x\n",
     "dir/t.conf:4: [control] socket: 'run/x' is not an absolute path"},
    {BOT "[safety]\npaper_prefixes = DU U\n",
     "dir/t.conf:4: [safety] paper_prefixes: 'U' would take live accounts for paper accounts"},
    {BOT "[safety]\npaper_prefixes =\n",
     "dir/t.conf:4: [safety] paper_prefixes: '' must not be empty"},
    {BOT "[safety]\npaper_prefixes = DUDUDUDU\n",
     "dir/t.conf:4: [safety] paper_prefixes: 'DUDUDUDU' has an item of more than 7 bytes"},
    {BOT "[channel c]\nkind = discord\n",
     "dir/t.conf:3: [channel c] lacks the key url_file (at most 255 bytes)"},
    {BOT "[channel c]\nkind = discord\nurl_file =\n",
     "dir/t.conf:5: [channel c] url_file: '' must not be empty"},
    {BOT "[window w]\nto = 1:00\nfrom = 00:00\n",
     "dir/t.conf:4: [window w] to: '1:00' is not a time of day; want HH:MM, 00:00 to 23:59"},
    {BOT "[window w]\nto = 24:00\nfrom = 00:00\n",
     "dir/t.conf:4: [window w] to: '24:00' is not a time of day; want HH:MM, 00:00 to 23:59"},
    {BOT "[window w]\nto = 01:00\nfrom = 01:00\n",
     "dir/t.conf:4: [window w] to: is the same as from; a window cannot last all day"},
    {BOT "[window w]\ndays = mon, someday\nto = 02:00\nfrom = 01:00\n",
     "dir/t.conf:4: [window w] days: 'mon, someday' must be one or more of daily, sun, mon, tue, "
     "wed, thu, fri, sat"},
    {BOT "[probe bot/p]\nport = 80\n",
     "dir/t.conf:3: [probe bot/p] lacks the key kind (tcp, http, ibapi, engine, log)"},
    {BOT "[probe bot/p]\nkind = http\nport = 80\n",
     "dir/t.conf:3: [probe bot/p] path: an http probe needs one that begins with '/'"},
    {BOT "[probe bot/p]\nkind = http\npath = /a b\n",
     "dir/t.conf:5: [probe bot/p] path: a blank must be written as %20"},
    {BOT "[probe bot/p]\nkind = tcp\npath = /x\n",
     "dir/t.conf:5: [probe bot/p] path: has no meaning for the kind tcp"},
    {BOT "[probe bot/p]\nkind = tcp\nport = 65536\n",
     "dir/t.conf:5: [probe bot/p] port: '65536' is not a port; want auto or 1 to 65535"},
    {BOT "[probe bot/p]\nkind = tcp\nhost = 127.0.0.1\n",
     "dir/t.conf:3: [probe bot/p] port: with host a number is needed, not auto"},
    {BOT "[probe bot/p]\nkind = tcp\npurposes = ,\n",
     "dir/t.conf:5: [probe bot/p] purposes: ',' must be one or more of startup, liveness, "
     "readiness"},
    {BOT "[probe bot/p]\nkind = log\n",
     "dir/t.conf:3: [probe bot/p] pattern: a log probe needs one"},
    {BOT "[probe bot/p]\nkind = log\npattern = x\npurposes = liveness\n",
     "dir/t.conf:6: [probe bot/p] purposes: a log probe cannot be lost again, so it is no "
     "liveness probe; want startup or readiness"},
    {BOT "[probe bot/p]\nkind = log\npattern = a(b\n",
     "dir/t.conf:5: [probe bot/p] pattern: 'a(b' is not a valid pattern: missing closing "
     "parenthesis (at character 4)"},
    {BOT "[probe bot/p]\nkind = ibapi\nversion_min = 180\n",
     "dir/t.conf:5: [probe bot/p] version_min: 180 is above version_max, 178"},
    {BOT "[probe bot/p]\nkind = tcp\ntimeout = 2m\n",
     "dir/t.conf:5: [probe bot/p] timeout: is not below the service's ready_timeout, so no start "
     "could succeed"},
    {BOT "[probe bot/p]\nkind = tcp\nstart_period = 1h\n",
     "dir/t.conf:5: [probe bot/p] start_period: is longer than the service's ready_timeout, which "
     "ends the start"},
    {BOT "[signals bot]\nlogin-ok = [a\n",
     "dir/t.conf:4: [signals bot] login-ok: '[a' is not a valid pattern: missing terminating ] "
     "for character class (at character 3)"},
    {BOT "[signals bot]\nlogin-ok =\n",
     "dir/t.conf:4: [signals bot] login-ok: '' must not be empty"},
    {BOT "[signals bot]\nlogin-no = x\n",
     "dir/t.conf:4: [signals bot] login-no: unknown key; did you mean 'login-ok'?"},
    {"[service bot]\n", "dir/t.conf: no [service NAME] has guarded = yes, so nothing would keep a "
                        "bot from trading for real; add it to the bot's section (a stack without "
                        "a bot: [safety] require_guard = no)"},
};

static void test_each_mistake_is_told_with_its_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < TS_ARRAY_LEN(mistakes); i++) {
        struct ts_model *m = parse(mistakes[i].text);
        char line[512] = "(accepted)";
        if (errs.count > 0) {
            ts_config_error_print(&errs, 0, line, sizeof(line));
        }
        if (strcmp(line, mistakes[i].message) != 0 || errs.count != 1 || m != NULL) {
            fail_msg("row %zu: %zu mistakes:\n%s\nwanted:\n%s", i, errs.count, line,
                     mistakes[i].message);
        }
    }
}

static void test_all_mistakes_are_told_in_the_order_of_lines(void **state)
{
    (void)state;
    assert_null(parse("[service bot]\nbudget = x\nguarded = perhaps\n[probe bot/p]\nkind = http\n"
                      "[nowhere]\n[daemon]\nproject = ?\n"));
    assert_int_equal(errs.count, 5);
    static const unsigned lines[] = {2, 3, 4, 6, 8};
    for (size_t i = 0; i < TS_ARRAY_LEN(lines); i++) {
        assert_int_equal(errs.list[i].line, lines[i]);
    }
}

static void test_mistakes_beyond_the_limit_are_counted(void **state)
{
    (void)state;
    char text[100 * 8] = "[daemon]\n";
    for (int i = 0; i < 50; i++) {
        strcat(text, "nonsense\n"); /* NOLINT: sized above */
    }
    assert_null(parse(text));
    assert_int_equal(errs.count, TS_CONFIG_MAX_ERRORS);
    assert_int_equal(errs.dropped, 50 - TS_CONFIG_MAX_ERRORS);
}

static void test_long_lines_are_refused_not_split(void **state)
{
    (void)state;
    char text[1024];
    (void)snprintf(text, sizeof(text), BOT "[probe bot/p]\nkind = log\npattern = %0600d\n", 1);
    assert_null(parse(text));
    assert_int_equal(errs.count, 2); /* and the pattern is missing */
    assert_int_equal(errs.list[1].line, 5);
    assert_non_null(strstr(errs.list[1].text, "line of 610 bytes; at most "));
}

static void test_long_section_names_are_not_cut(void **state)
{
    (void)state;
    /* inih itself cuts section names at 49 bytes. */
    const char *service = "a-service-with-a-name-that-is-longer-than-forty-nine-bytes";
    char text[512];
    (void)snprintf(text, sizeof(text), BOT "[service %s]\nbudget = 9\n", service);
    struct ts_model *m = parse_fine(text);
    assert_int_equal(ts_model_find(m, service)->budget, 9);
    ts_model_free(m);
}

static void test_tables_of_fixed_size_do_not_overflow(void **state)
{
    (void)state;
    static const struct {
        const char *section; /* with %d */
        int most;
    } rows[] = {
        {"[window w%d]\nfrom = 01:00\nto = 02:00\n", TS_MAX_WINDOWS},
        {"[channel c%d]\nkind = webhook\nurl_file = /x\n", TS_MAX_CHANNELS},
        {"[probe bot/p%d]\nkind = tcp\n", TS_MAX_PROBES},
    };
    for (size_t r = 0; r < TS_ARRAY_LEN(rows); r++) {
        char text[2048] = BOT;
        for (int i = 0; i <= rows[r].most; i++) {
            size_t at = strlen(text);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            (void)snprintf(text + at, sizeof(text) - at, rows[r].section, i);
#pragma GCC diagnostic pop
        }
        assert_null(parse(text));
        assert_int_equal(errs.count, 1);
        assert_non_null(strstr(errs.list[0].text, "is one too many; at most "));
    }
    char text[2048] = BOT "[signals bot]\n";
    for (int i = 0; i <= TS_MAX_SIGNALS; i++) {
        strcat(text, "login-ok = x\n"); /* NOLINT: sized above */
    }
    assert_null(parse(text));
    assert_int_equal(errs.count, 1);
    assert_int_equal(errs.list[0].line, 3 + TS_MAX_SIGNALS + 1);
}

static void test_url_file_is_found_beside_the_file_or_among_the_credentials(void **state)
{
    (void)state;
    static const char text[] = BOT "[channel a]\nkind = discord\nurl_file = hook\n"
                                   "[channel b]\nkind = discord\nurl_file = /etc/hook\n";
    struct ts_model *m = parse_fine(text);
    assert_string_equal(m->channels[0].url_file, "dir/hook");
    assert_string_equal(m->channels[1].url_file, "/etc/hook");
    ts_model_free(m);
    os_set_env("CREDENTIALS_DIRECTORY", "/run/credentials/x");
    m = parse_fine(text);
    assert_string_equal(m->channels[0].url_file, "/run/credentials/x/hook");
    assert_string_equal(m->channels[1].url_file, "/etc/hook");
    ts_model_free(m);
    char dir[OS_PATH];
    char file[OS_PATH + 32];
    char want[OS_PATH + 32];
    os_temp_dir(dir);
    (void)snprintf(file, sizeof(file), "%s/tradestack_hook", dir);
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    (void)fclose(f);
    os_set_env("CREDENTIALS_DIRECTORY", dir);
    m = parse_fine(text);
    (void)snprintf(want, sizeof(want), "%s/tradestack_hook", dir);
    assert_string_equal(m->channels[0].url_file, want);
    ts_model_free(m);
    os_remove(dir);
    os_set_env("CREDENTIALS_DIRECTORY", NULL);
}

static void test_files_that_cannot_be_read_are_named(void **state)
{
    (void)state;
    assert_null(ts_config_load("/nowhere/t.conf", &errs));
    char line[512];
    ts_config_error_print(&errs, 0, line, sizeof(line));
    assert_string_equal(line, "/nowhere/t.conf: cannot be opened: No such file or directory");
    assert_null(ts_config_load("/tmp", &errs));
    assert_string_equal(errs.list[0].text, "is not a regular file");
}

static void test_a_file_is_read_from_disk(void **state)
{
    (void)state;
    char dir[OS_PATH];
    char path[OS_PATH + 8];
    os_temp_dir(dir);
    (void)snprintf(path, sizeof(path), "%s/conf", dir);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    static const char text[] = BOT "[daemon]\nproject = ondisk\n";
    assert_true(fputs(text, f) >= 0);
    (void)fclose(f);
    struct ts_model *m = ts_config_load(path, &errs);
    os_remove(dir);
    assert_non_null(m);
    assert_string_equal(m->project, "ondisk");
    ts_model_free(m);
}

static void test_without_a_file_the_sample_applies(void **state)
{
    (void)state;
    struct ts_model *m = ts_config_load_optional("/nowhere/t.conf", &errs);
    assert_non_null(m);
    assert_string_equal(errs.path, TS_CONFIG_BUILT_IN);
    assert_string_equal(m->channels[0].url_file, "/nowhere/discord-webhook");
    ts_model_free(m);
    assert_null(ts_config_load_optional(OS_FOLDER, &errs)); /* is there, but no file */
    assert_string_equal(errs.path, OS_FOLDER);
    char dir[OS_PATH];
    char path[OS_PATH + 16];
    os_temp_dir(dir);
    (void)snprintf(path, sizeof(path), "%s/file", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)fclose(f);
    (void)snprintf(path, sizeof(path), "%s/file/t.conf", dir);
    struct ts_model *none = ts_config_load_optional(path, &errs);
    os_remove(dir);
    if (OS_FILE_IS_NO_FOLDER) { /* cannot be looked at */
        assert_null(none);
        assert_non_null(strstr(errs.list[0].text, "Not a directory"));
    }
    ts_model_free(none);
}

static void test_a_reload_keeps_what_needs_a_restart(void **state)
{
    (void)state;
    struct ts_model *in_force = parse_fine(BOT "[daemon]\nproject = a\nlog_json = yes\n");
    struct ts_model *next = parse_fine(BOT "[daemon]\nproject = b\nlog_level = debug\n"
                                           "[engine]\ntimeout = 20s\n[control]\nread_group = g\n");
    struct ts_config_changes changes;
    assert_true(ts_config_diff(in_force, next, &changes));
    assert_int_equal(changes.count, 5);
    assert_int_equal(changes.needs_restart, 3);
    ts_config_keep_fixed(in_force, next);
    assert_string_equal(next->project, "a");
    assert_true(next->log_json);
    assert_int_equal(next->engine_timeout_ms, 10000);
    assert_int_equal(next->log_level, TS_LOG_DEBUG);
    assert_string_equal(next->read_group, "g");
    assert_true(ts_config_diff(in_force, next, &changes));
    assert_int_equal(changes.count, 2);
    assert_int_equal(changes.needs_restart, 0);
    ts_model_free(in_force);
    ts_model_free(next);
}

static void test_diff_lists_what_a_reload_changes(void **state)
{
    (void)state;
    struct ts_model *before = parse_fine(BOT "[probe bot/p]\nkind = tcp\n"
                                             "[window w]\nfrom = 01:00\nto = 02:00\n"
                                             "[signals bot]\nlogin-ok = a\nlogin-ok = b\n");
    struct ts_model *after = parse_fine("[daemon]\nproject = other\n" BOT "restart = never\n"
                                        "[probe bot/p]\nkind = tcp\ninterval = 1m30s\n"
                                        "[probe bot/q]\nkind = engine\n"
                                        "[signals bot]\nlogin-ok = a\n"
                                        "[safety]\npaper_prefixes = DU\n");
    struct ts_config_changes changes;
    assert_true(ts_config_diff(before, after, &changes));
    static const char *const want[] = {
        "[daemon] project: docker -> other",
        "[safety] paper_prefixes: DU, DF -> DU",
        "[service bot] restart: always -> never",
        "[probe bot/p] interval: 1s -> 1m30s",
        "[probe bot/q] new",
        "[signals bot] login-ok: a | b -> a",
        "[window w] gone",
    };
    assert_int_equal(changes.count, TS_ARRAY_LEN(want));
    for (size_t i = 0; i < TS_ARRAY_LEN(want); i++) {
        assert_string_equal(changes.list[i].text, want[i]);
        assert_int_equal(changes.list[i].needs_restart, i == 0);
    }
    assert_int_equal(changes.needs_restart, 1);
    assert_true(ts_config_diff(after, after, &changes));
    assert_int_equal(changes.count, 0);
    ts_model_free(before);
    ts_model_free(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample_gives_the_built_in_stack),
        cmocka_unit_test(test_sections_inherit_keys_but_no_probes_from_the_star),
        cmocka_unit_test(test_every_kind_of_value_is_taken),
        cmocka_unit_test(test_each_mistake_is_told_with_its_line),
        cmocka_unit_test(test_all_mistakes_are_told_in_the_order_of_lines),
        cmocka_unit_test(test_mistakes_beyond_the_limit_are_counted),
        cmocka_unit_test(test_long_lines_are_refused_not_split),
        cmocka_unit_test(test_long_section_names_are_not_cut),
        cmocka_unit_test(test_tables_of_fixed_size_do_not_overflow),
        cmocka_unit_test(test_url_file_is_found_beside_the_file_or_among_the_credentials),
        cmocka_unit_test(test_files_that_cannot_be_read_are_named),
        cmocka_unit_test(test_a_file_is_read_from_disk),
        cmocka_unit_test(test_without_a_file_the_sample_applies),
        cmocka_unit_test(test_a_reload_keeps_what_needs_a_restart),
        cmocka_unit_test(test_diff_lists_what_a_reload_changes),
    };
    return RUN_TESTS(tests);
}
