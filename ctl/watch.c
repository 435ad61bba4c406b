/* The live status: a table redrawn in place on a terminal, one line a change elsewhere. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "ctl.h"

#define REDRAW_MS 1000 /* so that "since" goes on counting between changes */

struct view {
    json_t *status;
    ts_mono drawn;
};

static void render(const struct ctl *ctl, const json_t *status, FILE *f)
{
    ctl_show_status(ctl, f, status);
    (void)fputs("\n  Ctrl-C ends this view.", f);
}

/* Line by line over what is there, so that nothing flickers; what does not fit is cut, not
 * wrapped. */
static void draw(const struct ctl *ctl, struct view *v)
{
    struct ctl_sheet sheet;
    size_t rows;
    size_t columns;
    if (!ctl_sheet_open(&sheet)) {
        return;
    }
    render(ctl, v->status, sheet.f);
    char *text = ctl_sheet_close(&sheet);
    ctl_screen(&rows, &columns);
    (void)fputs("\033[?7l\033[H", stdout);
    char *rest = text;
    for (size_t row = 0; row < rows && rest != NULL; row++) {
        size_t len = strcspn(rest, "\n");
        (void)printf("%s%.*s\033[K", row > 0 ? "\r\n" : "", (int)len, rest);
        rest = rest[len] == '\n' ? rest + len + 1 : NULL;
    }
    (void)fputs("\033[J\033[?7h", stdout);
    (void)fflush(stdout);
    free(text);
    v->drawn = ctl_now();
}

static void each_status(void *ctx, const struct ctl *ctl, const json_t *reply)
{
    struct view *v = ctx;
    json_t *status = json_object_get(reply, "status");
    if (ctl->json) {
        ctl_print_json_line(status);
    } else if (ctl->live) {
        if (v->status == NULL) {
            (void)fputs("\033[2J", stdout);
        }
        json_decref(v->status);
        v->status = json_incref(status);
        draw(ctl, v);
    } else {
        const char *summary = ts_json_str_or(status, "summary", "");
        ctl_put(ctl, stdout, TONE_PLAIN, "%s", summary);
        (void)putchar('\n');
        (void)fflush(stdout);
    }
}

static void tick(void *ctx, const struct ctl *ctl)
{
    struct view *v = ctx;
    if (v->status != NULL && !ctl->json && ts_mono_diff(v->drawn, ctl_now()) >= REDRAW_MS) {
        draw(ctl, v);
    }
}

static void end(void *ctx, const struct ctl *ctl)
{
    struct view *v = ctx;
    (void)ctl;
    if (v->status != NULL) {
        (void)putchar('\n');
        (void)fflush(stdout);
    }
    json_decref(v->status);
    v->status = NULL;
}

int ctl_run_watch(struct ctl *ctl)
{
    struct view v = {.status = NULL};
    const struct ctl_follower follower = {each_status, tick, end, &v};
    return ctl_follow(ctl, "Watch", NULL, "watch", 0, &follower);
}
