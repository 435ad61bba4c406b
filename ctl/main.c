/* tradestackctl: global options, help, and the way to the command. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/usual.h"
#include "ctl.h"

enum {
    OPT_SOCKET = 256,
    OPT_JSON,
    OPT_NO_COLOR,
    OPT_TIMEOUT,
    OPT_HELP,
    OPT_VERSION,
    OPT_FILE,
    OPT_ENV_FILE,
    OPT_PROJECT,
    OPT_WAIT,
    OPT_NO_WAIT,
    OPT_FOLLOW,
    OPT_TAIL,
    OPT_SINCE,
    OPT_CONFIG,
    OPT_CHANNEL,
    OPT_ACCOUNT,
    OPT_GAMEPLAN,
    OPT_EXPIRES,
    OPT_REASON,
    OPT_ALL,
    OPT_REPORT,
    OPT_BOOT,
    OPT_SEND_ALERT,
    OPT_RESTART_TEST,
    OPT_COLD_START_TEST,
    OPT_KEEP,
    OPT_DRY_RUN,
    OPT_YES,
    OPT_NO_ROLLBACK,
    OPT_FROM,
    OPT_TO,
    OPT_ACCEPT,
    OPT_DEPRECATE
};

/* letter: the commands that take it name it so; 0: all do. */
static const struct option_row {
    const char *name;
    int code;
    char letter;
    const char *value; /* NULL: takes none */
    const char *help;
} rows[] = {
    {"socket", OPT_SOCKET, 0, "PATH", "the daemon's socket (or TRADESTACK_SOCKET)"},
    {"json", OPT_JSON, 0, NULL, "print JSON"},
    {"no-color", OPT_NO_COLOR, 0, NULL, "no colours (or NO_COLOR); never any off a terminal"},
    {"timeout", OPT_TIMEOUT, 0, "SPAN", "wait at most so long: 90s, 5m"},
    {"help", OPT_HELP, 0, NULL, "show help, also: COMMAND --help"},
    {"version", OPT_VERSION, 0, NULL, "show the version"},
    {"file", OPT_FILE, 'f', "FILE", "Compose file to create the containers from"},
    {"env-file", OPT_ENV_FILE, 'e', "FILE", "its variables"},
    {"project", OPT_PROJECT, 'p', "NAME", "Compose project (must be the daemon's)"},
    {"wait", OPT_WAIT, 'w', NULL, "wait for the end and show each step (the default)"},
    {"no-wait", OPT_NO_WAIT, 'n', NULL, "do not wait"},
    {"follow", OPT_FOLLOW, 'F', NULL, "go on with what comes (also -f)"},
    {"tail", OPT_TAIL, 'T', "N", "only the last N lines (also -n N)"},
    {"since", OPT_SINCE, 's', "TIME", "a span back (2h) or a time (2026-11-24T00:00:00Z)"},
    {"config", OPT_CONFIG, 'c', "FILE", "the file to check"},
    {"channel", OPT_CHANNEL, 'C', "NAME", "only this alert channel"},
    {"account", OPT_ACCOUNT, 'A', "ACCOUNT", "the one account that is approved"},
    {"gameplan", OPT_GAMEPLAN, 'G', "FILE", "the gameplan that is approved, or its SHA-256"},
    {"expires", OPT_EXPIRES, 'x', "SPAN", "how long it holds: 8h, 5d; at most 30d"},
    {"reason", OPT_REASON, 'r', "TEXT", "why; goes into the audit trail"},
    {"all", OPT_ALL, 'a', NULL, "ended ones too"},
    {"report", OPT_REPORT, 'R', "FILE", "also write a report: FILE.md or FILE.json"},
    {"send-alert", OPT_SEND_ALERT, 'S', NULL, "send a test alert and see it delivered"},
    {"restart-test", OPT_RESTART_TEST, 't', NULL, "stop the whole stack, start it, see it ready"},
    {"cold-start-test", OPT_COLD_START_TEST, 'O', NULL,
     "the same from nothing: containers removed"},
    {"boot", OPT_BOOT, 'b', NULL, "only: will this machine bring the stack back by itself?"},
    {"keep", OPT_KEEP, 'k', "N", "how many backups stay (default 5)"},
    {"dry-run", OPT_DRY_RUN, 'd', NULL, "show what would happen, and change nothing"},
    {"yes", OPT_YES, 'y', NULL, "do not ask"},
    {"from", OPT_FROM, 'I', "FILE", "the Compose file whose containers run now"},
    {"to", OPT_TO, 'N', "FILE", "the Compose file that takes over"},
    {"accept", OPT_ACCEPT, 'K', NULL, "remove what the last migration has set aside"},
    {"deprecate-old", OPT_DEPRECATE, 'D', NULL, "mark the old file as deprecated, afterwards"},
    {"no-rollback", OPT_NO_ROLLBACK, 'B', NULL, "stop where something fails; do not go back"},
};

static void print_option(const struct option_row *row)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "--%s%s%s", row->name, row->value != NULL ? " " : "",
                   row->value != NULL ? row->value : "");
    (void)printf("  %-23s %s\n", text, row->help);
}

static void print_usage(void)
{
    size_t n;
    const struct ctl_command *commands = ctl_commands(&n);
    (void)printf("Usage: tradestackctl [options] COMMAND [arguments]\n"
                 "Controls tradestackd, the supervisor of a trading stack. See "
                 "tradestackctl(1).\n\nCommands:\n");
    for (size_t i = 0; i < n; i++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "%s %s", commands[i].name, commands[i].args);
        (void)printf("  %-23s %s\n", text, commands[i].help);
    }
    (void)printf("\nOptions:\n");
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        if (rows[i].letter == 0) {
            print_option(&rows[i]);
        }
    }
    (void)printf(
        "\nExit status: 0 done, and for status and safety: all is well; 1 failed; 2 wrong usage;\n"
        "3 not all ready (yet), or not all rules or points pass, or warnings (doctor); 4 the "
        "daemon\n"
        "cannot be reached or does not answer; 5 errors (doctor).\n");
}

static void print_command_help(const struct ctl_command *command)
{
    (void)printf("Usage: tradestackctl %s%s%s [options]\n%s.\n\nOptions:\n", command->name,
                 command->args[0] != '\0' ? " " : "", command->args, command->help);
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        if (rows[i].letter == 0 || strchr(command->options, rows[i].letter) != NULL) {
            print_option(&rows[i]);
        }
    }
}

static bool bad_value(const char *option, const char *value, const char *want)
{
    ctl_error("--%s \"%s\": want %s", option, value, want);
    return false;
}

static bool take_option(struct ctl *ctl, int code, const char *value)
{
    switch (code) {
    case OPT_SOCKET: ctl->socket = value; return true;
    case OPT_JSON: ctl->json = true; return true;
    case OPT_NO_COLOR: ctl->color = false; return true;
    case OPT_TIMEOUT:
        return (ts_parse_span_ms(value, &ctl->timeout_ms) && ctl->timeout_ms > 0) ||
               bad_value("timeout", value, "a span with its unit: 90s, 5m");
    case OPT_FILE: ctl->file = value; return true;
    case OPT_ENV_FILE: ctl->env_file = value; return true;
    case OPT_PROJECT: ctl->project = value; return true;
    case OPT_WAIT: ctl->no_wait = false; return true;
    case OPT_NO_WAIT: ctl->no_wait = true; return true;
    case OPT_FOLLOW: ctl->follow = true; return true;
    case OPT_TAIL:
        return ts_parse_i64(value, 0, 10000, &ctl->tail) ||
               bad_value("tail", value, "a number, 0 to 10000");
    case OPT_SINCE: ctl->since = value; return true;
    case OPT_CONFIG: ctl->config = value; return true;
    case OPT_CHANNEL: ctl->channel = value; return true;
    case OPT_ACCOUNT: ctl->account = value; return true;
    case OPT_GAMEPLAN: ctl->gameplan = value; return true;
    case OPT_REASON: ctl->reason = value; return true;
    case OPT_ALL: ctl->all = true; return true;
    case OPT_REPORT: ctl->report = value; return true;
    case OPT_BOOT: ctl->boot = true; return true;
    case OPT_SEND_ALERT: ctl->send_alert = true; return true;
    case OPT_RESTART_TEST: ctl->restart_test = true; return true;
    case OPT_COLD_START_TEST: ctl->cold_start_test = true; return true;
    case OPT_KEEP:
        return ts_parse_i64(value, 0, 1000, &ctl->keep) ||
               bad_value("keep", value, "a number, 0 to 1000");
    case OPT_DRY_RUN: ctl->dry_run = true; return true;
    case OPT_YES: ctl->yes = true; return true;
    case OPT_NO_ROLLBACK: ctl->no_rollback = true; return true;
    case OPT_FROM: ctl->from = value; return true;
    case OPT_TO: ctl->to = value; return true;
    case OPT_ACCEPT: ctl->accept = true; return true;
    case OPT_DEPRECATE: ctl->deprecate = true; return true;
    case OPT_EXPIRES:
        return (ts_parse_span_ms(value, &ctl->expires_ms) && ctl->expires_ms > 0) ||
               bad_value("expires", value, "a span with its unit: 8h, 5d");
    default: return false;
    }
}

static const struct option_row *row_of(int code)
{
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        if (rows[i].code == code) {
            return &rows[i];
        }
    }
    return NULL;
}

static int short_code(int opt)
{
    return opt == 'f' ? OPT_FOLLOW : opt == 'n' ? OPT_TAIL : opt == 'h' ? OPT_HELP : opt;
}

static void make_long_options(struct option *out)
{
    size_t i = 0;
    for (; i < TS_ARRAY_LEN(rows); i++) {
        out[i] = (struct option){.name = rows[i].name,
                                 .has_arg = rows[i].value != NULL ? required_argument : no_argument,
                                 .val = rows[i].code};
    }
    out[i] = (struct option){.name = NULL};
}

/* Does the command take what was given? -1: it does; else the exit status. */
static int check_given(const struct ctl_command *command, const bool *given)
{
    for (size_t i = 0; command != NULL && i < TS_ARRAY_LEN(rows); i++) {
        if (given[i] && rows[i].letter != 0 && strchr(command->options, rows[i].letter) == NULL) {
            ctl_error("%s takes no --%s; see tradestackctl %s --help", command->name, rows[i].name,
                      command->name);
            if (rows[i].code == OPT_FOLLOW && strchr(command->options, 'f') != NULL) {
                ctl_hint("-f is --follow here; the Compose file goes with --file");
            }
            return CTL_USAGE;
        }
    }
    return -1;
}

/* Options may stand before and after the command. -1: go on; else the exit status. */
static int parse(struct ctl *ctl, int argc, char **argv, bool *ret_help)
{
    struct option options[TS_ARRAY_LEN(rows) + 1];
    bool given[TS_ARRAY_LEN(rows)] = {false};
    int opt;
    make_long_options(options);
    while ((opt = getopt_long(argc, argv, "fn:h", options, NULL)) != -1) { /* NOLINT: one thread */
        int code = short_code(opt);
        const struct option_row *row = row_of(code);
        if (code == OPT_HELP) {
            *ret_help = true;
        } else if (code == OPT_VERSION) {
            (void)puts("tradestackctl " TS_VERSION);
            return CTL_OK;
        } else if (row == NULL || !take_option(ctl, code, optarg)) {
            return CTL_USAGE;
        } else {
            given[row - rows] = true;
        }
    }
    return optind < argc ? check_given(ctl_find(argv[optind]), given) : -1;
}

static int run(struct ctl *ctl, int argc, char **argv, bool help)
{
    if (optind >= argc) {
        print_usage();
        return help ? CTL_OK : CTL_USAGE;
    }
    const struct ctl_command *command = ctl_find(argv[optind]);
    if (command == NULL) {
        ctl_error("there is no command \"%s\"; see tradestackctl --help", argv[optind]);
        return CTL_USAGE;
    }
    if (help) {
        print_command_help(command);
        return CTL_OK;
    }
    ctl->argc = argc - optind - 1;
    ctl->argv = argv + optind + 1;
    if (ctl->argc < command->args_min || ctl->argc > command->args_max) {
        ctl_error("usage: tradestackctl %s %s", command->name, command->args);
        return CTL_USAGE;
    }
    return command->run(ctl);
}

int main(int argc, char **argv)
{
    /* NOLINTBEGIN(concurrency-mt-unsafe): one thread */
    const char *socket = getenv("TRADESTACK_SOCKET");
    const char *no_color = getenv("NO_COLOR");
    /* NOLINTEND(concurrency-mt-unsafe) */
    bool is_terminal = ctl_terminal();
    struct ctl ctl = {.socket = socket != NULL && socket[0] != '\0' ? socket : TS_USUAL_SOCKET,
                      .color = is_terminal && (no_color == NULL || !*no_color),
                      .live = is_terminal,
                      .asks = is_terminal && ctl_has_keyboard(),
                      .tail = -1,
                      .keep = -1};
    bool help = false;
    int code = parse(&ctl, argc, argv, &help);
    return code >= 0 ? code : run(&ctl, argc, argv, help);
}
