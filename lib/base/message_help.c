/* See message_help.h. */
#include "base/message_help.h"

#include <stddef.h>

/* windows: the same where other commands or another cause are meant; NULL: text serves. */
static const struct {
    enum ts_msg msg;
    const char *text;
    const char *windows;
} helps[] = {
    {TS_MSG_DEBUG, "For developers; shown with log_level = debug in tradestackd.conf.\n", NULL},
    {TS_MSG_STARTED,
     "The daemon runs and supervises project @TRADESTACK_PROJECT@. \"The last run did not\n"
     "end in order\" means a power cut, a crash or a kill -9: the services it found\n"
     "running were taken over, the others are started in order.\n\n"
     "State of every service: tradestackctl status\n",
     NULL},
    {TS_MSG_STOPPING,
     "The daemon was asked to end. Unless the machine goes down or stop_on_exit is set,\n"
     "the containers run on, unsupervised, until it is back.\n",
     NULL},
    {TS_MSG_CONFIG_ERROR,
     "The configuration cannot be used, or a part of it could not be brought into force.\n\n"
     "Check it: tradestackd --check --config /etc/tradestack/tradestackd.conf\n"
     "The keys: man tradestackd.conf\n",
     "The configuration cannot be used, or a part of it could not be brought into force.\n\n"
     "Check it: tradestackd --check --config C:\\ProgramData\\tradestack\\tradestackd.conf\n"},
    {TS_MSG_RELOADED,
     "Keys that need a restart of the daemon are named in the answer of\n"
     "tradestackctl reload.\n",
     NULL},
    {TS_MSG_RELOAD_REFUSED,
     "The file has an error, so nothing of it was taken over: the daemon goes on with the\n"
     "former configuration. A restart would fail.\n\n"
     "See all errors: tradestackd --check --config /etc/tradestack/tradestackd.conf\n",
     "The file has an error, so nothing of it was taken over: the daemon goes on with the\n"
     "former configuration. A restart would fail.\n\n"
     "See all errors: tradestackd --check --config "
     "C:\\ProgramData\\tradestack\\tradestackd.conf\n"},
    {TS_MSG_SHUTDOWN,
     "The shutdown waits (at most logind's InhibitDelayMaxSec=) until the stack has\n"
     "stopped in reverse order, each service with its stop_grace. What was up comes back\n"
     "at the next boot.\n",
     "The shutdown waits, as long as Windows allows the service (its preshutdown time), until\n"
     "the stack has stopped in reverse order, each service with its stop_grace. What was up\n"
     "comes back at the next boot.\n"},
    {TS_MSG_NO_INHIBITOR,
     "logind refused the delay inhibitor, or does not run. At a shutdown the engine then\n"
     "stops all containers at the same time, with its own grace.\n\n"
     "Is polkit installed (package polkitd)? Who holds inhibitors: systemd-inhibit --list\n",
     "Windows gives the service no time before a shutdown.\n\n"
     "Set it anew: tradestackd service configure\n"},
    {TS_MSG_INHIBITOR, "logind has granted the delay inhibitor.\n",
     "A shutdown waits for the stack again.\n"},
    {TS_MSG_ENGINE_UP,
     "The engine at @TRADESTACK_ENGINE@ answers. All containers are looked at anew, and\n"
     "what should run and does not is started in order.\n",
     NULL},
    {TS_MSG_ENGINE_DOWN,
     "The engine at @TRADESTACK_ENGINE@ does not answer. Nothing can be started or\n"
     "stopped meanwhile; containers that run are left running and are still probed. The\n"
     "connection is tried again for ever.\n\n"
     "See: systemctl status docker; journalctl -u docker -b\n",
     "The engine at @TRADESTACK_ENGINE@ does not answer. Nothing can be started or\n"
     "stopped meanwhile; containers that run are left running and are still probed. The\n"
     "connection is tried again for ever. What keeps it from running is said in an event of\n"
     "its own (engine.situation).\n\n"
     "See: tradestackctl doctor --boot\n"},
    {TS_MSG_ENGINE_CALL_FAILED,
     "One request to the engine failed; the text says which and why. Unless a service\n"
     "fails with it, it was tried again.\n",
     NULL},
    {TS_MSG_ADOPTED,
     "From now on the daemon starts, stops and restarts this container. The engine's\n"
     "restart policy is taken over (set to \"no\"; `tradestackctl release` gives it back),\n"
     "so that there is one owner.\n",
     NULL},
    {TS_MSG_ENGINE_STOPPED,
     "Somebody ran `systemctl stop` on the engine. The daemon makes no connection, because\n"
     "the engine's socket would start it again. The stack is down until somebody starts\n"
     "the engine: systemctl start docker\n",
     "Somebody stopped the engine's service. Start it: sc start docker\n"},
    {TS_MSG_RESTORED,
     "The container (or its network) was gone without a word, for instance pruned or lost\n"
     "with the engine's data. It was made anew as it was last seen, with the very same\n"
     "image, and is judged by the safety rules before it starts like any other.\n",
     NULL},
    {TS_MSG_RESTORE_FAILED,
     "The container is gone and could not be made anew; the text says why. Often its image\n"
     "is gone too: load or build it, then\n\n"
     "    tradestackctl up\n\n"
     "or make the container with Compose: docker compose up --no-start\n",
     NULL},
    {TS_MSG_MOVE,
     "A rollout (`tradestackctl up` on a changed file), a migration or a rollback exchanges\n"
     "containers, one step after the other. Each step is in the journal before it is done:\n"
     "a daemon that is killed goes on with it. Where it stands: tradestackctl status\n",
     NULL},
    {TS_MSG_MOVE_FAILED,
     "A step did not end as expected; the text says what was expected and what was seen.\n"
     "Unless --no-rollback was given, the former containers come back by themselves.\n\n"
     "The steps: tradestackctl events; what failed: tradestackctl logs SERVICE\n",
     NULL},
    {TS_MSG_ENGINE_SITUATION,
     "Of a machine whose engine does not start by itself: what was found, what tradestackd\n"
     "did about it, and what only a person can do.\n\n"
     "See: tradestackctl doctor --boot\n",
     NULL},
    {TS_MSG_SERVICE_STATE,
     "@TRADESTACK_SERVICE@ went from @TRADESTACK_STATE_FROM@ to @TRADESTACK_STATE_TO@;\n"
     "the cause is @TRADESTACK_REASON@.\n\n"
     "What comes next: tradestackctl status @TRADESTACK_SERVICE@\n"
     "What was before: tradestackctl history @TRADESTACK_SERVICE@\n",
     NULL},
    {TS_MSG_SERVICE_FAILED,
     "@TRADESTACK_SERVICE@ has used up its restarts, or going on would do harm (failed\n"
     "logins lock the account). It stays down, also over a reboot, until somebody has\n"
     "looked.\n\n"
     "Look at its log (tradestackctl logs @TRADESTACK_SERVICE@), mend the cause, then:\n"
     "tradestackctl reset @TRADESTACK_SERVICE@\n",
     NULL},
    {TS_MSG_SERVICE_BLOCKED,
     "@TRADESTACK_SERVICE@ may not start: its settings are not dry-run on a paper account\n"
     "and no approval covers them, or the rules cannot be checked.\n\n"
     "Each rule with its evidence: tradestackctl safety @TRADESTACK_SERVICE@\n",
     NULL},
    {TS_MSG_PROBE, "A probe of @TRADESTACK_SERVICE@ passes now, or fails now.\n", NULL},
    {TS_MSG_LOG_SIGNAL,
     "A line of the container's log matched a pattern of [signals @TRADESTACK_SERVICE@] in\n"
     "tradestackd.conf.\n",
     NULL},
    {TS_MSG_OPERATOR, "Who gave it: the uid in the text; also in tradestackctl audit.\n", NULL},
    {TS_MSG_ACTION, "The daemon asks the engine to start or stop the container.\n", NULL},
    {TS_MSG_MANUAL_STOP,
     "Somebody stopped the container of @TRADESTACK_SERVICE@ past the daemon (docker stop,\n"
     "docker compose stop). That is respected, also over a reboot.\n\n"
     "Bring it back: tradestackctl start @TRADESTACK_SERVICE@\n",
     NULL},
    {TS_MSG_SERVICE_TRIPPED,
     "While @TRADESTACK_SERVICE@ ran, something said that it may trade for real. It was\n"
     "stopped at once and stays stopped, also over a reboot, until a member of cro_group\n"
     "has looked.\n\n"
     "What was seen: tradestackctl safety\n"
     "Then: tradestackctl safety reset @TRADESTACK_SERVICE@ --reason TEXT\n",
     NULL},
    {TS_MSG_ALERT_SENT, "The alert has reached the receiver.\n", NULL},
    {TS_MSG_ALERT_DELAYED,
     "The receiver of channel @TRADESTACK_CHANNEL@ did not take the alert. It is kept in\n"
     "the state file, over restarts and reboots, and tried again until it expires.\n",
     NULL},
    {TS_MSG_ALERT_REFUSED,
     "Channel @TRADESTACK_CHANNEL@ says no for good: the webhook was deleted, or its URL\n"
     "cannot be read. Nobody is told anything there until that is mended.\n\n"
     "Put the URL into /etc/tradestack/credentials (mode 0600), then: systemctl restart\n"
     "tradestackd (containers run on). Try it: tradestackctl alert test\n",
     "Channel @TRADESTACK_CHANNEL@ says no for good: the webhook was deleted, or its URL\n"
     "cannot be read. Nobody is told anything there until that is mended.\n\n"
     "Put the URL into the file that url_file names, which only the service and\n"
     "administrators may read, then: tradestackd service restart\n"
     "(containers run on). Try it: tradestackctl alert test\n"},
    {TS_MSG_ALERT_DROPPED,
     "The alert was too old or could never be delivered; it is in the history.\n", NULL},
    {TS_MSG_NO_CHANNEL,
     "Alerts are written to this journal and to the history only. For Discord: make a\n"
     "webhook (channel settings, Integrations) and put its URL into the file\n"
     "/etc/tradestack/credentials/discord-webhook, mode 0600; then\n\n"
     "    systemctl restart tradestackd    (containers run on)\n"
     "    tradestackctl alert test\n",
     "Alerts are written to this log and to the history only. For Discord: make a webhook\n"
     "(channel settings, Integrations) and put its URL into the file\n"
     "C:\\ProgramData\\tradestack\\discord-webhook; then\n\n"
     "    tradestackd service restart    (containers run on)\n"
     "    tradestackctl alert test\n"},
    {TS_MSG_STORE_FAILED,
     "The state file cannot be written: the disk is full or its rights are wrong.\n"
     "Supervision goes on from memory; a restart of the daemon in this state would forget\n"
     "what happened since.\n\n"
     "Look: df -h /var/lib/tradestack; ls -l /var/lib/tradestack\n",
     "The state file cannot be written: the disk is full or its rights are wrong.\n"
     "Supervision goes on from memory; a restart of the daemon in this state would forget\n"
     "what happened since.\n\n"
     "Look: dir C:\\ProgramData\\tradestack\\state; icacls C:\\ProgramData\\tradestack\\state\n"},
    {TS_MSG_STORE_OK, "What was kept in memory meanwhile has been written.\n", NULL},
    {TS_MSG_AWAKE,
     "All that was known is as old as the sleep was long: the engine, every container and\n"
     "every probe are asked at once.\n",
     NULL},
    {TS_MSG_CONTROL_REFUSED,
     "A user without the right for it asked for something. Who may do what: operate_group,\n"
     "read_group and cro_group in tradestackd.conf.\n",
     NULL},
    {TS_MSG_AUDIT, "The same entry is in the hash-chained trail: tradestackctl audit\n", NULL},
    {TS_MSG_AUDIT_DAMAGED,
     "An entry of the audit trail was changed, removed or reordered, or the file cannot be\n"
     "used. Approvals in it count for nothing.\n\n"
     "Where: tradestackctl audit verify\n",
     NULL},
    {TS_MSG_OBSERVER, "Of tradestackd --observe, which looks and never acts.\n", NULL},
    {TS_MSG_SUPERVISOR_SILENT,
     "The observer finds no answer at the supervisor's control socket: nothing is restarted\n"
     "meanwhile.\n\n"
     "See: systemctl status tradestackd\n",
     "The observer finds no answer at the supervisor's control pipe: nothing is restarted\n"
     "meanwhile.\n\n"
     "See: sc query tradestackd\n"},
};

const char *ts_message_help(enum ts_msg msg, enum ts_help_for where)
{
    for (size_t i = 0; i < sizeof(helps) / sizeof(helps[0]); i++) {
        if (helps[i].msg == msg) {
            return where == TS_HELP_FOR_WINDOWS && helps[i].windows != NULL ? helps[i].windows
                                                                            : helps[i].text;
        }
    }
    return NULL;
}
