/* tradestackd: options, and the order in which the parts are made and freed. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/gameplan_check.h"
#include "config/config.h"
#include "daemon.h"
#include "doctor/reach_probe.h"
#include "observer.h"
#include "platform/entry.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CONFIG = 78 /* sysexits.h EX_CONFIG */ };

static void usage(FILE *f)
{
    (void)fputs(
        "Usage: tradestackd [--config FILE] [--check | --observe | --check-gameplan FILE |\n"
        "                   --reach HOST:PORT]\n"
        "Supervises the containers of one Compose project: ordered start, health, restarts,\n"
        "alerts. Runs in the foreground; " TS_USUAL_MANUAL ".\n\n"
        "  --config FILE   configuration (default " TS_CONFIG_USUAL_PATH ";\n"
        "                  without a file there, the built-in one)\n"
        "  --check         check the configuration and end\n"
        "  --check-gameplan FILE\n"
        "                  check a gameplan and end\n"
        "  --reach HOST:PORT\n"
        "                  look once whether a gateway answers there, print one JSON line and end\n"
        "  --observe       watch and alert only: no engine, no control; one JSON line a check\n"
        "  --version       print the version and end\n"
        "  --help          print this and end\n",
        f);
}

struct options {
    const char *config;
    bool check;
    const char *gameplan;
    const char *reach;
    bool observe;
};

/* False: *ret_exit says with what to end. */
static bool parse_options(int argc, char **argv, struct options *ret, int *ret_exit)
{
    static const struct option table[] = {{"config", required_argument, NULL, 'c'},
                                          {"check", no_argument, NULL, 'k'},
                                          {"check-gameplan", required_argument, NULL, 'g'},
                                          {"reach", required_argument, NULL, 'r'},
                                          {"observe", no_argument, NULL, 'o'},
                                          {"version", no_argument, NULL, 'V'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int opt;
    while ((opt = getopt_long(argc, argv, "", table, NULL)) != -1) { /* NOLINT: one thread */
        switch (opt) {
        case 'c': ret->config = optarg; break;
        case 'k': ret->check = true; break;
        case 'g': ret->gameplan = optarg; break;
        case 'r': ret->reach = optarg; break;
        case 'o': ret->observe = true; break;
        case 'V':
            (void)puts("tradestackd " TS_VERSION);
            *ret_exit = EXIT_OK;
            return false;
        case 'h':
            usage(stdout);
            *ret_exit = EXIT_OK;
            return false;
        default:
            usage(stderr);
            *ret_exit = EXIT_USAGE;
            return false;
        }
    }
    if (optind < argc) {
        (void)fprintf(stderr, "tradestackd: what is \"%s\"?\n", argv[optind]);
        usage(stderr);
        *ret_exit = EXIT_USAGE;
        return false;
    }
    return true;
}

static void print_errors(const struct ts_config_errors *errs)
{
    for (size_t i = 0; i < errs->count; i++) {
        char text[700];
        ts_config_error_print(errs, i, text, sizeof(text));
        ts_platform_tell_error(text);
    }
    if (errs->dropped > 0) {
        char text[64];
        (void)snprintf(text, sizeof(text), "… and %zu more errors", errs->dropped);
        ts_platform_tell_error(text);
    }
}

/* The model, or NULL after the errors were printed. errs->path: where it came from. */
static struct ts_model *load_model(const struct options *options, struct ts_config_errors *errs)
{
    struct ts_model *model = options->config != NULL ? ts_config_load(options->config, errs)
                                                     : ts_config_load_optional(NULL, errs);
    if (model == NULL) {
        print_errors(errs);
    }
    return model;
}

static struct ts_log *make_log(const struct ts_model *model)
{
    struct ts_log *log = ts_log_new(ts_clock_real());
    /* Each record is flushed as a whole; unbuffered, its characters would be written one by one. */
    (void)setvbuf(stderr, NULL, _IOFBF, BUFSIZ);
    ts_log_sink *system_sink = ts_platform_log_sink();
    if (log != NULL) {
        ts_log_set_level(log, (enum ts_log_level)model->log_level);
        (void)ts_log_add_sink(log,
                              system_sink != NULL ? system_sink
                              : model->log_json   ? ts_log_sink_json
                                                  : ts_log_sink_text,
                              stderr);
    }
    return log;
}

static int run(const struct options *options, struct ts_model *take_model)
{
    struct ts_error err;
    struct ts_log *log = make_log(take_model);
    struct ts_loop *loop = ts_loop_new(ts_clock_real(), &err);
    bool ok = log != NULL && loop != NULL;
    if (!ok) {
        (void)fprintf(stderr, "tradestackd: cannot start: out of memory or descriptors\n");
        ts_model_free(take_model);
    } else if (options->observe) {
        ok = ts_observer_run(take_model, log, loop, &err);
    } else {
        struct ts_daemon *d = ts_daemon_new(options->config, take_model, log, loop, &err);
        ok = d != NULL && ts_daemon_run(d, &err);
        ts_daemon_free(d);
    }
    if (!ok && log != NULL && loop != NULL) {
        TS_LOG(log, TS_MSG_CONFIG_ERROR, TS_FIELDS(TS_STR("code", ts_code_name(err.code))),
               "tradestackd cannot run: %s", err.msg);
    }
    ts_loop_free(loop);
    ts_log_free(log);
    return ok ? EXIT_OK : EXIT_FAILED;
}

int ts_main(int argc, char **argv)
{
    struct options options = {.config = NULL};
    int code;
    if (!parse_options(argc, argv, &options, &code)) {
        return code;
    }
    if (options.gameplan != NULL) {
        return ts_gameplan_check(options.gameplan) ? EXIT_OK : EXIT_FAILED;
    }
    if (options.reach != NULL) {
        return ts_reach_probe(options.reach) ? EXIT_OK : EXIT_FAILED;
    }
    ts_platform_no_core_dumps();
    static struct ts_config_errors errs; /* 13 KiB */
    struct ts_model *model = load_model(&options, &errs);
    if (model == NULL) {
        return EXIT_CONFIG;
    }
    if (options.check) {
        (void)printf("%s: correct, %zu services\n", errs.path, model->service_count);
        ts_model_free(model);
        return EXIT_OK;
    }
    return run(&options, model);
}
