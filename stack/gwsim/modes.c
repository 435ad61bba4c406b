/* The modes: their names, and what entering one does. How sessions behave in them: api.c. */
#include <stdio.h>
#include <string.h>

#include "gwsim.h"

#define LOGIN_RETRY_MS 1000 /* between the refused logins of login-failed */

static const struct {
    const char *name;
    const char *help;
} mode_rows[MODE_COUNT] = {
#define ROW(symbol, name, help) [symbol] = {name, help},
    SIM_MODES(ROW)
#undef ROW
};

bool sim_mode_parse(const char *name, enum sim_mode *ret)
{
    for (unsigned i = 0; i < MODE_COUNT; i++) {
        if (strcmp(mode_rows[i].name, name) == 0) {
            *ret = (enum sim_mode)i;
            return true;
        }
    }
    return false;
}

const char *sim_mode_name(enum sim_mode mode)
{
    return mode_rows[mode].name;
}

void sim_mode_print_all(void)
{
    for (unsigned i = 0; i < MODE_COUNT; i++) {
        (void)printf("  %-20s %s\n", mode_rows[i].name, mode_rows[i].help);
    }
}

bool sim_api_is_up(const struct sim *sim)
{
    switch (sim->mode) {
    case MODE_REFUSE:
    case MODE_RELAY_ONLY:
    case MODE_SLOW_LOGIN:
    case MODE_LOGIN_FAILED:
    case MODE_LOCKED_OUT:
    case MODE_2FA_WAIT:
    case MODE_2FA_TIMEOUT: return false;
    default: return true;
    }
}

void sim_arm(struct event *timer, int ms)
{
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    (void)evtimer_add(timer, &tv);
}

static void say_login_begin(void)
{
    sim_say_ibc("Starting session: will exit if login dialog is not displayed within 60 seconds");
    sim_say_ibc("LoginState is LOGGED_OUT");
    sim_say_ibc("Setting user name");
    sim_say_ibc("Setting password");
    sim_say_ibc("Login attempt: 1");
    sim_say_ibc("Click button: Paper Log In");
}

static void say_login_done(void)
{
    sim_say_ibc("Login has completed");
    sim_say_ibc("Configuration tasks completed");
    sim_say("Gateway TWS API ready on port 4002");
    sim_say("Authentication successful");
    sim_say("Gateway ready");
}

static void say_login_failed(void)
{
    sim_say_ibc("!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!");
    sim_say_ibc("Login failed");
    sim_say_ibc("Cold restart in progress");
    sim_say_ibc("!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!");
}

static void say_2fa(void)
{
    sim_say_ibc("Second Factor Authentication initiated");
    sim_say_ibc("detected dialog entitled: Second Factor Authentication; event=Opened");
}

const char *sim_accounts(const struct sim *sim)
{
    if (sim->mode == MODE_EMPTY_ACCOUNTS) {
        return "";
    }
    return sim->mode == MODE_LIVE ? sim->live_account : sim->accounts;
}

int64_t sim_upstream_code(const struct sim *sim, const char **ret_text)
{
    if (!sim->upstream_down) {
        return 0;
    }
    if (sim->mode == MODE_UPSTREAM_2110) {
        *ret_text = "Connectivity between Trader Workstation and server is broken. It will be "
                    "restored automatically.";
        return 2110;
    }
    *ret_text = "Connectivity between IBKR and Trader Workstation has been lost.";
    return 1100;
}

static void set_upstream(struct sim *sim, bool down)
{
    const char *text = "Connectivity between IBKR and Trader Workstation has been restored - data "
                       "maintained.";
    sim->upstream_down = down;
    int64_t code = sim_upstream_code(sim, &text);
    sim_tell_upstream(sim, code == 0 ? 1102 : code, text);
}

/* What entering the mode says and does, beyond the listeners. */
static void enter(struct sim *sim)
{
    switch (sim->mode) {
    case MODE_HANG_AFTER: sim_arm(sim->mode_timer, sim->after_ms); break;
    case MODE_CLIENT_ID:
    case MODE_ACCEPT_CLOSE: sim_drop_clients(sim, false); break;
    case MODE_RESET: sim_drop_clients(sim, true); break;
    case MODE_UPSTREAM_LOST:
    case MODE_UPSTREAM_2110: set_upstream(sim, true); break;
    case MODE_UPSTREAM_LOST_BACK:
        set_upstream(sim, true);
        sim_arm(sim->mode_timer, sim->after_ms);
        break;
    case MODE_UPSTREAM_BACK:
        set_upstream(sim, false);
        sim->mode = MODE_OK;
        break;
    case MODE_SLOW_LOGIN:
        say_login_begin();
        sim_arm(sim->mode_timer, sim->after_ms);
        break;
    case MODE_LOGIN_FAILED:
        say_login_begin();
        say_login_failed();
        sim_arm(sim->mode_timer, LOGIN_RETRY_MS);
        break;
    case MODE_LOCKED_OUT:
        say_login_begin();
        sim_say_ibc("Too many failed login attempts. Please wait 4 minutes & 47 seconds");
        break;
    case MODE_2FA_WAIT:
        say_login_begin();
        say_2fa();
        break;
    case MODE_2FA_TIMEOUT:
        say_2fa();
        sim_say_ibc("IBC closing because login has not completed after Second Factor "
                    "Authentication");
        sim->exit_code = 87;
        (void)event_base_loopbreak(sim->base);
        break;
    default: break;
    }
}

static bool is_upstream_mode(enum sim_mode mode)
{
    return mode == MODE_UPSTREAM_LOST || mode == MODE_UPSTREAM_2110 ||
           mode == MODE_UPSTREAM_LOST_BACK || mode == MODE_UPSTREAM_BACK;
}

bool sim_set_mode(struct sim *sim, enum sim_mode mode)
{
    bool was_up = sim_api_is_up(sim);
    const char *accounts = sim_accounts(sim);
    (void)evtimer_del(sim->mode_timer);
    sim->mode = mode;
    sim_say("gwsim: mode %s", sim_mode_name(mode));
    if (!is_upstream_mode(mode) && sim->upstream_down) {
        set_upstream(sim, false);
    }
    if (!sim_api_is_up(sim)) {
        sim_drop_clients(sim, false);
    } else if (!was_up) {
        say_login_done();
    }
    if (strcmp(accounts, sim_accounts(sim)) != 0) {
        sim_tell_accounts(sim);
    }
    enter(sim);
    return sim_update_listeners(sim);
}

void sim_on_mode_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct sim *sim = arg;
    switch (sim->mode) {
    case MODE_HANG_AFTER: (void)sim_set_mode(sim, MODE_HANG); break;
    case MODE_UPSTREAM_LOST_BACK: (void)sim_set_mode(sim, MODE_UPSTREAM_BACK); break;
    case MODE_SLOW_LOGIN: (void)sim_set_mode(sim, MODE_OK); break;
    case MODE_LOGIN_FAILED:
        say_login_failed();
        sim_arm(sim->mode_timer, LOGIN_RETRY_MS);
        break;
    default: break;
    }
}
