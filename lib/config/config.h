/*
 * The configuration file -> the model. INI as inih reads it, and ONE table (schema.c) of every key:
 * where it stands, what it may be, its default, whether a reload may change it, what it means.
 * Parsing, defaults, the comparison at a reload, the sample file and the manual page come from it.
 *
 * A file is the whole description: what it leaves out has the table's default, and services,
 * windows and channels that it does not name do not exist. Without a file, the sample file
 * (conf/tradestackd.conf, compiled in) applies. Nothing is taken from the environment, except where
 * systemd put the credentials that url_file names.
 */
#ifndef TS_CONFIG_CONFIG_H
#define TS_CONFIG_CONFIG_H

#include <stdio.h>

#include "base/macros.h"
#include "base/usual.h"
#include "model/model.h"

#define TS_CONFIG_USUAL_PATH TS_USUAL_CONFIG
#define TS_CONFIG_BUILT_IN   "built-in configuration" /* errs.path where no file was read */

#define TS_CONFIG_MAX_BYTES   (1024 * 1024) /* of a file */
#define TS_CONFIG_MAX_KEYS    20000         /* lines "key = value" of a file */
#define TS_CONFIG_MAX_ERRORS  32            /* kept; the rest is counted */
#define TS_CONFIG_MAX_CHANGES 64            /* kept; the rest is counted */

struct ts_config_error {
    unsigned line;  /* from 1; 0: the file as a whole */
    char text[400]; /* what is wrong and what would be right, without the file's name */
};

struct ts_config_errors {
    char path[TS_TEXT_MAX]; /* as given, cut to fit */
    size_t count;           /* sorted by line */
    size_t dropped;
    struct ts_config_error list[TS_CONFIG_MAX_ERRORS];
};

/*
 * Reads and checks a file, all of it: errs (filled anew) has every mistake, not only the first.
 * NULL exactly when errs->count > 0. The caller frees the model with ts_model_free(). A relative
 * url_file is the first that is there of $CREDENTIALS_DIRECTORY/NAME, the same with "tradestack_"
 * in front (how systemd names the files of a directory, LoadCredential=tradestack:DIR;
 * systemd.exec(5)) and NAME beside the configuration file.
 */
struct ts_model *ts_config_load(const char *path, struct ts_config_errors *errs) TS_MUST_CHECK;

/* The same, but where there is no such file, what is built in. A file that is there and cannot be
 * read is a mistake here, too. errs->path tells which it was. path NULL: the usual one. */
struct ts_model *ts_config_load_optional(const char *path,
                                         struct ts_config_errors *errs) TS_MUST_CHECK;

/* The same for a text in memory; path only names it and its folder. */
struct ts_model *ts_config_parse(const char *text, size_t len, const char *path,
                                 struct ts_config_errors *errs) TS_MUST_CHECK;

/* What applies without a file. NULL if out of memory. */
struct ts_model *ts_config_defaults(void) TS_MUST_CHECK;

/* The sample file's text. Lives as long as the program; *ret_len bytes, NUL behind them. */
const char *ts_config_sample(size_t *ret_len);

/* "tradestackd.conf:14: [service gateway] restart: 'allways' is not one of …". */
void ts_config_error_print(const struct ts_config_errors *errs, size_t i, char *out, size_t size);

struct ts_config_change {
    bool needs_restart; /* of the daemon; a reload keeps the former value */
    char text[400];     /* "[service gateway] restart: always -> never", "[window nightly] new" */
};

struct ts_config_changes {
    size_t count;
    size_t dropped;
    size_t needs_restart; /* how many of all */
    struct ts_config_change list[TS_CONFIG_MAX_CHANGES];
};

/* What differs between two models, in the order of the new one. False if out of memory. */
bool ts_config_diff(const struct ts_model *before, const struct ts_model *after,
                    struct ts_config_changes *ret) TS_MUST_CHECK;

/* Copies what only a restart of the daemon can change from the model in force into the one that is
 * to follow it. */
void ts_config_keep_fixed(const struct ts_model *in_force, struct ts_model *next);

/* One line a key, tab-separated: section, key, kind, default, allowed values, "reload" or
 * "restart", probe kinds, help. For the lint test and the manual page. */
bool ts_config_print_schema(FILE *out) TS_MUST_CHECK;

#endif
