/* See doctor.h: the table of checks, and how a remark is made. */
#include "doctor/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/parse.h"

#define TEXT_BYTES 2048

/* In the order in which they are told: what concerns everything first. */
static void (*const checks[])(struct ts_exam *x) = {
    ts_check_engine,
    ts_check_seen,
    ts_check_guard,
    ts_check_released,
    ts_check_move,
    ts_check_states,
    ts_check_memory,
    ts_check_restarts,
    ts_check_probes,
    ts_check_safety,
    ts_check_port_held,
    ts_check_port_published,
    ts_check_bot_address,
    ts_check_networks,
    ts_check_credentials,
    ts_check_passwords,
    ts_check_exit_code,
    ts_check_log_signs,
    ts_check_gateway_settings,
    ts_check_clock,
    ts_check_monitor,
    ts_check_channels,
    ts_check_images,
    ts_check_drift,
    ts_check_policies,
    ts_check_rivals,
    ts_check_secret_files,
    ts_check_secret_variables,
    ts_check_state_file,
    ts_check_trail,
    ts_check_disk,
    ts_check_settings,
    ts_check_engine_version,
    ts_check_compose,
    ts_check_boot,
};

/* The files of the containers as `up` takes them; what is not known is left to the reader. */
static void files_of(const struct ts_exam *x, char *out, size_t size)
{
    (void)snprintf(out, size, "--file docker-compose.yml --env-file .env");
    for (size_t i = 0; i < x->c->unit_count; i++) {
        const struct ts_container *c = &x->c->units[i].container;
        if (x->c->units[i].seen && c->config_files[0] != '\0' &&
            strchr(c->config_files, ',') == NULL) {
            (void)snprintf(out, size, "--file %.150s%s%.150s", c->config_files,
                           c->env_files[0] != '\0' ? " --env-file " : "", c->env_files);
            return;
        }
    }
}

/* What stands for the letter behind a "%"; NULL: it is no such. */
static const char *value_of(char letter, const struct ts_checkup_unit *u, const char *files)
{
    switch (letter) {
    case 's': return u != NULL ? u->service : "";
    case 'c': return u != NULL ? u->container.name : "";
    case 'f': return files;
    default: return NULL;
    }
}

/* Copies text with the service, its container and the compose file in the places of "%s", "%c" and
 * "%f", so that a cure can be pasted. */
static void fill_in(const struct ts_exam *x, const struct ts_checkup_unit *u, const char *text,
                    char *out, size_t size)
{
    struct ts_buf b = ts_buf_init(TEXT_BYTES);
    char files[400];
    files_of(x, files, sizeof(files));
    for (const char *at = text; *at != '\0'; at++) {
        const char *value = at[0] == '%' ? value_of(at[1], u, files) : NULL;
        if (value != NULL) {
            (void)ts_buf_adds(&b, value);
            at++;
        } else {
            (void)ts_buf_add(&b, at, 1);
        }
    }
    ts_copy_cut(out, size, ts_buf_text(&b));
    ts_buf_done(&b);
}

void ts_exam_tell(struct ts_exam *x, const struct ts_say *say, const char *evidence, ...)
{
    const char *service = say->unit != NULL ? say->unit->service : "";
    char text[TEXT_BYTES];
    struct ts_remark r = {.grade = say->grade, .since = say->since};
    va_list ap;
    va_start(ap, evidence);
    (void)vsnprintf(text, sizeof(text), evidence, ap);
    va_end(ap);
    for (size_t i = 0; i < x->c->unit_count; i++) {
        ts_checkup_scrub(&x->c->units[i], text);
    }
    ts_alert_clean(r.evidence, sizeof(r.evidence), SIZE_MAX, text, false);
    ts_copy_cut(r.id, sizeof(r.id), say->id);
    ts_copy_cut(r.service, sizeof(r.service), service);
    fill_in(x, say->unit, say->what, r.what, sizeof(r.what));
    fill_in(x, say->unit, say->cure, r.cure, sizeof(r.cure));
    x->told++;
    x->each(x->ctx, &r);
}

size_t ts_doctor_judge(struct ts_exam *x)
{
    for (size_t i = 0; i < TS_ARRAY_LEN(checks); i++) {
        checks[i](x);
    }
    return TS_ARRAY_LEN(checks);
}

ts_wall ts_doctor_since(const struct ts_checkup_unit *u)
{
    struct ts_daemon *d = u->checkup->daemon;
    const struct ts_svc *s = ts_checkup_state(u);
    return (ts_wall){ts_loop_wall(d->loop).ms - ts_mono_diff(s->entered_at, ts_loop_now(d->loop))};
}
