/*
 * Steps that take time. A step that is done becomes a line that stays. On a terminal the others are
 * living lines below, redrawn in place; elsewhere each change is a line of its own.
 */
#include <string.h>

#include "base/parse.h"
#include "ctl.h"

ts_mono ctl_now(void)
{
    const struct ts_clock *clock = ts_clock_real();
    return clock->mono(clock->ctx);
}

struct ctl_progress ctl_progress_init(const struct ctl *ctl)
{
    return (struct ctl_progress){.ctl = ctl};
}

static void put_step(const struct ctl *ctl, const struct ctl_step *s, enum ctl_tone tone,
                     const char *symbol, int64_t took_ms, int room)
{
    char span[TS_SPAN_TEXT];
    char line[400];
    char cut[400];
    ts_span_format(took_ms, span);
    (void)snprintf(line, sizeof(line), "%-16s %-10s %9s  %s", s->service, s->step, span, s->detail);
    (void)fputs("  ", stdout);
    ctl_put(ctl, stdout, tone, "%s", symbol);
    size_t size = room > 0 && (size_t)room < sizeof(cut) ? (size_t)room + 1 : sizeof(cut);
    ts_copy_cut(cut, size, line); /* counts bytes, so it may cut early, never late */
    ctl_put(ctl, stdout, TONE_PLAIN, " %s", cut);
}

static void put_line(const struct ctl *ctl, const struct ctl_step *s)
{
    enum ctl_tone tone = !s->done ? TONE_DIM : s->ok ? TONE_GOOD : TONE_BAD;
    put_step(ctl, s, tone, !s->done ? "\u2026" : s->ok ? "\u2713" : "\u2717", s->took_ms, 0);
    (void)putchar('\n');
}

static void erase(struct ctl_progress *p)
{
    if (p->drawn > 0) {
        (void)printf("\033[%zuA\r\033[J", p->drawn);
        p->drawn = 0;
    }
}

static void draw(struct ctl_progress *p)
{
    static const char *const frames[] = {"\u280b", "\u2819", "\u2838",
                                         "\u2834", "\u2826", "\u2807"};
    size_t rows;
    size_t columns;
    ctl_screen(&rows, &columns);
    for (size_t i = 0; i < p->count && p->drawn + 1 < rows; i++) {
        int64_t took = p->living[i].took_ms + ts_mono_diff(p->seen[i], ctl_now());
        put_step(p->ctl, &p->living[i], TONE_WARN, frames[p->frame % TS_ARRAY_LEN(frames)], took,
                 columns > 12 ? (int)columns - 5 : 8);
        (void)putchar('\n');
        p->drawn++;
    }
    (void)fflush(stdout);
}

static size_t find(const struct ctl_progress *p, const char *service)
{
    size_t i = 0;
    while (i < p->count && strcmp(p->living[i].service, service) != 0) {
        i++;
    }
    return i;
}

void ctl_progress_step(struct ctl_progress *p, const struct ctl_step *step)
{
    size_t i = find(p, step->service);
    if (!p->ctl->live || (!step->done && i == CTL_STEPS_MAX)) {
        put_line(p->ctl, step);
        (void)fflush(stdout);
        return;
    }
    erase(p);
    if (step->done) {
        put_line(p->ctl, step);
        if (i < p->count) {
            p->count--;
            memmove(&p->living[i], &p->living[i + 1], (p->count - i) * sizeof(p->living[0]));
            memmove(&p->seen[i], &p->seen[i + 1], (p->count - i) * sizeof(p->seen[0]));
        }
    } else {
        p->living[i] = *step;
        p->seen[i] = ctl_now();
        p->count += i == p->count;
    }
    draw(p);
}

void ctl_progress_tick(struct ctl_progress *p)
{
    if (p->ctl->live && p->count > 0) {
        p->frame++;
        erase(p);
        draw(p);
    }
}

void ctl_progress_end(struct ctl_progress *p)
{
    erase(p);
    p->count = 0;
    (void)fflush(stdout);
}
