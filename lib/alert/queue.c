/* A channel's letters: rows of the store's outbox, or memory while that cannot be written. */
#include <stdlib.h>
#include <string.h>

#include "alert/sender_internal.h"
#include "base/json.h"
#include "base/parse.h"

static void tell_dropped(struct channel *ch, const char *title, const char *why)
{
    const struct ts_sender_hooks *hooks = &ch->sender->hooks;
    if (hooks->dropped != NULL) {
        hooks->dropped(hooks->ctx, ch->spec.name, title, why);
    }
}

/* --- in */

/* Urgent letters go before the others, otherwise in order. */
/* Its place in the queue: what is critical and urgent first, then what is urgent. */
static int rank_of(const struct ts_alert *a)
{
    return !a->urgent ? 0 : a->severity == TS_SEVERITY_CRITICAL ? 2 : 1;
}

static void hold(struct channel *ch, const struct letter *letter)
{
    if (ch->held == NULL) {
        ch->held = calloc(HELD_MAX, sizeof(*ch->held));
    }
    if (ch->held == NULL || ch->held_count == HELD_MAX) {
        if (letter->id < 0) { /* else the store has it, most likely */
            tell_dropped(ch, letter->alert.title,
                         "the state file cannot be written and memory is full");
        }
        return;
    }
    size_t at = ch->held_count;
    while (at > 0 && rank_of(&letter->alert) > rank_of(&ch->held[at - 1].letter.alert)) {
        ch->held[at] = ch->held[at - 1];
        at--;
    }
    ch->held[at].letter = *letter;
    ch->held[at].lost_count =
        letter->id > 0 ? ts_store_lost_count(ch->sender->store) : 0; /* memory is sure */
    ch->held_count++;
}

static bool store_letter(struct channel *ch, struct letter *letter, struct ts_error *err)
{
    char *body = ts_alert_to_text(&letter->alert);
    if (body == NULL) {
        return ts_error_nomem(err);
    }
    struct ts_store_letter row = {
        .created = letter->created,
        .priority = rank_of(&letter->alert),
        .severity = (int)letter->alert.severity,
        .body = body,
    };
    int64_t pruned = 0;
    ts_copy_cut(row.channel, sizeof(row.channel), ch->spec.name);
    bool ok = ts_store_outbox_add(ch->sender->store, &row, &letter->id, &pruned, err);
    free(body);
    if (ok && pruned > 0) {
        tell_dropped(ch, "(the oldest)", "too many alerts wait for this channel");
    }
    return ok;
}

void ts_queue_add(struct channel *ch, const struct ts_alert *alert)
{
    struct ts_sender *s = ch->sender;
    struct letter letter = {.created = ts_loop_wall(s->loop), .alert = *alert};
    struct ts_error err;
    bool stored = s->store != NULL && store_letter(ch, &letter, &err);
    if (s->store != NULL && !stored) {
        ts_sender_store_failed(s, &err);
    }
    if (!stored) {
        letter.id = --s->last_memory_id;
    }
    if (!stored || ts_store_in_transaction(s->store)) {
        hold(ch, &letter);
    }
    ts_timer_after(ch->timer, 0);
}

/* Copies of what the store has for sure go; what it lost stays, as ours alone. */
static void settle_held(struct channel *ch)
{
    struct ts_sender *s = ch->sender;
    size_t kept = 0;
    if (s->store != NULL && ts_store_in_transaction(s->store)) {
        return;
    }
    for (size_t i = 0; i < ch->held_count; i++) {
        struct held *h = &ch->held[i];
        if (h->letter.id > 0 && h->lost_count == ts_store_lost_count(s->store)) {
            continue;
        }
        if (h->letter.id > 0) {
            h->letter.id = --s->last_memory_id;
        }
        ch->held[kept++] = *h;
    }
    ch->held_count = kept;
}

static void drop_held(struct channel *ch, int64_t id)
{
    for (size_t i = 0; i < ch->held_count; i++) {
        if (ch->held[i].letter.id == id) {
            ch->held_count--;
            memmove(&ch->held[i], &ch->held[i + 1], (ch->held_count - i) * sizeof(*ch->held));
            return;
        }
    }
}

/* --- done with it */

/* A letter that the store cannot forget now is remembered as done, or it would be sent again. */
static void remove_letter(struct channel *ch, int64_t id)
{
    struct ts_error err;
    if (id < 0) {
        drop_held(ch, id);
    } else if (!ts_store_outbox_remove(ch->sender->store, id, &err)) {
        ts_sender_store_failed(ch->sender, &err);
        if (ch->done_count < DONE_MAX) {
            ch->done[ch->done_count++] = id;
        }
    }
}

static void remove_to(struct channel *ch, int64_t id)
{
    struct ts_error err;
    ch->done_to = 0;
    if (!ts_store_outbox_remove_to(ch->sender->store, ch->spec.name, id, &err)) {
        ts_sender_store_failed(ch->sender, &err);
        ch->done_to = id;
    }
}

static void retry_removals(struct channel *ch)
{
    size_t count = ch->done_count;
    int64_t ids[DONE_MAX];
    memcpy(ids, ch->done, sizeof(ids));
    if (ch->done_to != 0) {
        remove_to(ch, ch->done_to);
    }
    ch->done_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (ch->done_to != 0 || ch->done_count > 0) {
            ch->done[ch->done_count++] = ids[i]; /* one failure is enough to know */
        } else {
            remove_letter(ch, ids[i]);
        }
    }
}

static bool is_done(const struct channel *ch, int64_t id)
{
    for (size_t i = 0; i < ch->done_count; i++) {
        if (ch->done[i] == id) {
            return true;
        }
    }
    return id <= ch->done_to;
}

/* --- out */

struct loading {
    struct channel *ch;
    ts_wall now;
    size_t limit;
    int64_t bad[BATCH_MAX + DONE_MAX]; /* expired or unreadable */
    size_t bad_count;
};

static void load_letter(void *ctx, const struct ts_store_letter *stored)
{
    struct loading *l = ctx;
    struct channel *ch = l->ch;
    struct ts_error err;
    struct letter *letter = &ch->batch[ch->batch_count];
    int64_t expiry = ch->sender->expiry_ms;
    if (ch->batch_count == l->limit || is_done(ch, stored->id)) {
        return;
    }
    TS_CLEANUP(ts_json_drop)
    json_t *o = ts_json_parse(stored->body, strlen(stored->body), &err);
    bool readable = o != NULL && ts_alert_from_json(o, &letter->alert, &err);
    bool expired = expiry > 0 && l->now.ms - stored->created.ms > expiry;
    if (readable && !expired) {
        letter->id = stored->id;
        letter->created = stored->created;
        ch->batch_count++;
    } else if (l->bad_count < TS_ARRAY_LEN(l->bad)) {
        l->bad[l->bad_count++] = stored->id;
        tell_dropped(ch, readable ? letter->alert.title : "?",
                     readable ? "undeliverable for too long" : err.msg);
    }
}

/* Discord is spared a flood: what is more than one message holds is counted, not shown. */
static bool load_collapsed(struct channel *ch, struct loading *l, struct ts_error *err)
{
    struct ts_store *store = ch->sender->store;
    int64_t waiting = 0;
    int64_t last = 0;
    if (!ts_store_outbox_count(store, ch->spec.name, &waiting, &last, err) ||
        !ts_store_outbox_pick(store, ch->spec.name, BATCH_MAX, load_letter, l, err)) {
        return false;
    }
    size_t used = ch->batch_count + l->bad_count;
    if (waiting > (int64_t)used && l->bad_count == 0) {
        ch->batch_more = (size_t)waiting - used;
        ch->batch_to = last;
    }
    return true;
}

static void load_from_store(struct channel *ch, struct loading *l)
{
    struct ts_store *store = ch->sender->store;
    struct ts_error err;
    int64_t waiting = 0;
    int64_t last = 0;
    bool may_collapse = ch->spec.kind == TS_CHANNEL_DISCORD && ch->singly == 0 &&
                        ch->done_count == 0 && ch->done_to == 0;
    bool ok = !may_collapse || ts_store_outbox_count(store, ch->spec.name, &waiting, &last, &err);
    if (ok && waiting > BATCH_MAX) {
        ok = load_collapsed(ch, l, &err);
    } else if (ok) {
        /* With more in doubt than this, sending on would mean sending twice. */
        uint32_t limit = ch->done_count == DONE_MAX ? 0 : (uint32_t)(l->limit + ch->done_count);
        ok = ts_store_outbox_read(store, ch->spec.name, limit, load_letter, l, &err);
    }
    if (!ok) {
        ts_sender_store_failed(ch->sender, &err);
    }
    for (size_t i = 0; i < l->bad_count; i++) {
        remove_letter(ch, l->bad[i]);
    }
    if (l->bad_count > 0) {
        ts_timer_after(ch->timer, 0); /* there may be more behind those */
    }
}

void ts_queue_load(struct channel *ch)
{
    struct loading l = {
        .ch = ch,
        .now = ts_loop_wall(ch->sender->loop),
        .limit = ch->singly > 0 ? 1 : BATCH_MAX,
    };
    ch->batch_count = 0;
    ch->batch_more = 0;
    ch->batch_to = 0;
    settle_held(ch);
    if (ch->sender->store != NULL) {
        retry_removals(ch);
        load_from_store(ch, &l);
    }
    for (size_t i = 0; i < ch->held_count && ch->batch_count < l.limit; i++) {
        if (ch->held[i].letter.id < 0) {
            ch->batch[ch->batch_count++] = ch->held[i].letter;
        }
    }
}

static void forget_batch(struct channel *ch)
{
    for (size_t i = 0; i < ch->batch_count; i++) {
        if (ch->batch_to == 0 || ch->batch[i].id < 0) {
            remove_letter(ch, ch->batch[i].id);
        }
    }
    if (ch->batch_to != 0) {
        remove_to(ch, ch->batch_to);
    }
    if (ch->singly > 0) {
        ch->singly--;
    }
    ch->batch_count = 0;
}

/* A message that shows one open incident alone is remembered: it can be edited. The end of an
 * incident closes those messages, in case they appeared after it had been posted. */
static void keep_message(struct channel *ch, const struct ts_alert *a, const char *message_id)
{
    struct ts_store *store = ch->sender->store;
    struct ts_error err;
    bool alone = ch->batch_count == 1 && ch->batch_more == 0 && message_id[0] != '\0';
    bool opens = a->kind == TS_ALERT_OPEN && alone;
    if (store == NULL || (!opens && a->kind != TS_ALERT_RESOLVED)) {
        return;
    }
    char *text = ts_alert_to_text(a);
    bool ok = text != NULL || ts_error_nomem(&err);
    if (ok && opens) {
        ok = ts_store_message_add(store, ch->spec.name, message_id, a->key, text, &err);
    } else if (ok) {
        ok = ts_store_message_edit(store, ch->spec.name, a->key, text, true, &err);
    }
    free(text);
    if (!ok) {
        ts_sender_store_failed(ch->sender, &err);
    }
}

void ts_queue_delivered(struct channel *ch, const char *message_id)
{
    const struct ts_sender_hooks *hooks = &ch->sender->hooks;
    int64_t took = ts_mono_diff(ch->sent_at, ts_loop_now(ch->sender->loop));
    for (size_t i = 0; i < ch->batch_count; i++) {
        if (ch->spec.kind == TS_CHANNEL_DISCORD) {
            keep_message(ch, &ch->batch[i].alert, message_id);
        }
        if (hooks->sent != NULL) {
            hooks->sent(hooks->ctx, ch->spec.name, ch->batch[i].alert.title, took);
        }
    }
    forget_batch(ch);
}

void ts_queue_give_up(struct channel *ch, const char *why)
{
    if (ch->batch_count > 1 || ch->batch_more > 0) {
        ch->singly = ch->batch_count; /* only one of them may be at fault */
        ch->batch_count = 0;
        return;
    }
    if (ch->batch_count == 1) {
        tell_dropped(ch, ch->batch[0].alert.title, why);
    }
    forget_batch(ch);
}

int64_t ts_queue_pending(struct channel *ch)
{
    struct ts_error err;
    int64_t pending = 0;
    int64_t last;
    if (ch->sender->store == NULL ||
        !ts_store_outbox_count(ch->sender->store, ch->spec.name, &pending, &last, &err)) {
        pending = 0;
    }
    pending -= (int64_t)ch->done_count;
    for (size_t i = 0; i < ch->held_count; i++) {
        pending += ch->held[i].letter.id < 0;
    }
    return pending < 0 ? 0 : pending;
}
