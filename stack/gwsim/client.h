/* One connection to the simulated API; between api.c, which moves its bytes, and answers.c. */
#ifndef TS_GWSIM_CLIENT_H
#define TS_GWSIM_CLIENT_H

#include "gwsim.h"

#define SUBSCRIBED_MAX 32
#define TICK_MS        250

struct sim_client {
    struct sim_client *next;
    struct sim *sim;
    struct bufferevent *bev;
    struct event *later; /* slow and split answers */
    struct evbuffer *held_back;
    struct ts_ib_reader reader;
    struct ts_buf hello;
    bool greeted;
    bool started;
    bool closing; /* has been told why; closed when that has been sent */
    int32_t version;
    int32_t client_id;
    int64_t subscribed[SUBSCRIBED_MAX];
    size_t subscribed_count;
};

int64_t sim_now_ms(void);
/* Appends the answer to one request, if it has any; notes what the request changes. */
void sim_answer(struct sim_client *c, const struct ts_ib_fields *m, struct ts_buf *out);
void sim_add_accounts(struct sim_client *c, struct ts_buf *out);
void sim_add_price(int64_t id, const char *type, double price, struct ts_buf *out);

#endif
