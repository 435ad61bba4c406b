/*
 * Every message the daemon can log, in one list: number, symbol, name, level, what it means.
 * The number is the Windows event id and the tail of the journal's MESSAGE_ID; it never changes
 * and is never reused. The name is the field TRADESTACK_EVENT.
 */
#ifndef TS_BASE_MESSAGES_H
#define TS_BASE_MESSAGES_H

/* X(number, symbol, name, level, meaning) */
#define TS_MESSAGES(X)                                                                             \
    X(1, TS_MSG_DEBUG, "debug", TS_LOG_DEBUG, "Detail for developers")                             \
    X(2, TS_MSG_STARTED, "daemon.started", TS_LOG_NOTICE, "The daemon runs")                       \
    X(3, TS_MSG_STOPPING, "daemon.stopping", TS_LOG_NOTICE, "The daemon ends")                     \
    X(4, TS_MSG_CONFIG_ERROR, "config.error", TS_LOG_ERROR, "The configuration has an error")      \
    X(5, TS_MSG_RELOADED, "config.reloaded", TS_LOG_NOTICE, "A new configuration is in force")     \
    X(6, TS_MSG_RELOAD_REFUSED, "config.refused", TS_LOG_ERROR,                                    \
      "A reload was refused; the former configuration stays")                                      \
    X(7, TS_MSG_SHUTDOWN, "machine.shutdown", TS_LOG_NOTICE,                                       \
      "This machine goes down; the stack is stopped in order first")                               \
    X(8, TS_MSG_NO_INHIBITOR, "machine.no-inhibitor", TS_LOG_WARNING,                              \
      "A shutdown of this machine will not wait for the stack to stop in order")                   \
    X(9, TS_MSG_INHIBITOR, "machine.inhibitor", TS_LOG_NOTICE,                                     \
      "A shutdown of this machine waits for the stack again")                                      \
    X(10, TS_MSG_ENGINE_UP, "engine.up", TS_LOG_NOTICE, "The container engine answers")            \
    X(11, TS_MSG_ENGINE_DOWN, "engine.down", TS_LOG_ERROR, "The container engine does not answer") \
    X(12, TS_MSG_ENGINE_CALL_FAILED, "engine.call-failed", TS_LOG_WARNING,                         \
      "A request to the container engine failed")                                                  \
    X(13, TS_MSG_ADOPTED, "service.adopted", TS_LOG_NOTICE,                                        \
      "A container is supervised from now on")                                                     \
    X(14, TS_MSG_ENGINE_STOPPED, "engine.stopped", TS_LOG_WARNING,                                 \
      "Somebody stopped the engine's service; it is left stopped")                                 \
    X(15, TS_MSG_RESTORED, "service.restored", TS_LOG_WARNING,                                     \
      "A missing container was made anew from its snapshot")                                       \
    X(16, TS_MSG_RESTORE_FAILED, "service.restore-failed", TS_LOG_ERROR,                           \
      "A missing container cannot be made anew")                                                   \
    X(17, TS_MSG_MOVE, "move", TS_LOG_NOTICE, "Containers are exchanged for others")               \
    X(18, TS_MSG_MOVE_FAILED, "move.failed", TS_LOG_ERROR,                                         \
      "An exchange of containers did not succeed and goes back")                                   \
    X(19, TS_MSG_ENGINE_SITUATION, "engine.situation", TS_LOG_WARNING,                             \
      "What keeps the engine from running, and what remains to be done")                           \
    X(20, TS_MSG_SERVICE_STATE, "service.state", TS_LOG_NOTICE, "A service changed its state")     \
    X(21, TS_MSG_SERVICE_FAILED, "service.failed", TS_LOG_ERROR,                                   \
      "A service failed and is not restarted any more")                                            \
    X(22, TS_MSG_SERVICE_BLOCKED, "service.blocked", TS_LOG_ERROR,                                 \
      "The safety rules refuse to start a service")                                                \
    X(23, TS_MSG_PROBE, "probe.changed", TS_LOG_INFO, "A probe changed its verdict")               \
    X(24, TS_MSG_LOG_SIGNAL, "service.log-signal", TS_LOG_WARNING,                                 \
      "A service's log shows a sign that matters")                                                 \
    X(25, TS_MSG_OPERATOR, "operator.command", TS_LOG_NOTICE, "An operator gave a command")        \
    X(26, TS_MSG_ACTION, "service.action", TS_LOG_NOTICE, "The daemon acts on a container")        \
    X(27, TS_MSG_MANUAL_STOP, "service.manual-stop", TS_LOG_NOTICE,                                \
      "Somebody stopped a container by hand; it is left stopped")                                  \
    X(28, TS_MSG_SERVICE_TRIPPED, "service.tripped", TS_LOG_ERROR,                                 \
      "A running service broke a safety rule and is stopped")                                      \
    X(30, TS_MSG_ALERT_SENT, "alert.sent", TS_LOG_INFO, "An alert was delivered")                  \
    X(31, TS_MSG_ALERT_DELAYED, "alert.delayed", TS_LOG_WARNING,                                   \
      "An alert could not be delivered and is tried again")                                        \
    X(32, TS_MSG_ALERT_REFUSED, "alert.refused", TS_LOG_ERROR,                                     \
      "An alert channel refuses for good; nothing is sent there until the configuration changes")  \
    X(33, TS_MSG_ALERT_DROPPED, "alert.dropped", TS_LOG_ERROR, "An alert was given up")            \
    X(34, TS_MSG_NO_CHANNEL, "alert.no-channel", TS_LOG_WARNING,                                   \
      "No alert channel is set up: nobody is told of trouble")                                     \
    X(40, TS_MSG_STORE_FAILED, "store.failed", TS_LOG_ERROR,                                       \
      "The state file cannot be written; state is kept in memory")                                 \
    X(41, TS_MSG_STORE_OK, "store.ok", TS_LOG_NOTICE, "The state file can be written again")       \
    X(42, TS_MSG_AWAKE, "machine.awake", TS_LOG_NOTICE,                                            \
      "This machine slept and is awake again; everything is looked at anew")                       \
    X(50, TS_MSG_CONTROL_REFUSED, "control.refused", TS_LOG_WARNING,                               \
      "A control client was refused")                                                              \
    X(55, TS_MSG_AUDIT, "audit", TS_LOG_NOTICE, "An entry of the audit trail")                     \
    X(56, TS_MSG_AUDIT_DAMAGED, "audit.damaged", TS_LOG_ERROR,                                     \
      "The audit trail was tampered with, or cannot be opened")                                    \
    X(60, TS_MSG_OBSERVER, "observe.check", TS_LOG_INFO, "The observer's check")                   \
    X(61, TS_MSG_SUPERVISOR_SILENT, "observe.supervisor-silent", TS_LOG_ERROR,                     \
      "The supervisor does not answer the observer")

/* The journal's MESSAGE_ID: 96 bits of ours, then the number. */
#define TS_MESSAGE_ID_FORMAT "5d1b7a3e9c4f4e0fa6b87c21%08x"

/* The groups of messages, by the first word of their names: the Windows Event Log's categories,
 * which count from 1. X(number, word) */
#define TS_MESSAGE_GROUPS(X)                                                                       \
    X(1, "daemon")                                                                                 \
    X(2, "config")                                                                                 \
    X(3, "machine")                                                                                \
    X(4, "engine")                                                                                 \
    X(5, "service")                                                                                \
    X(6, "probe")                                                                                  \
    X(7, "operator")                                                                               \
    X(8, "alert")                                                                                  \
    X(9, "store")                                                                                  \
    X(10, "control")                                                                               \
    X(11, "audit")                                                                                 \
    X(12, "observe")                                                                               \
    X(13, "debug")                                                                                 \
    X(14, "move")

/* What of a record stands where in a Windows event. 1 is the text, 2 the message's name, 3 all
 * fields, one a line; then single fields, for filters and for @TRADESTACK_NAME@ in message_help.c.
 * X(number, field) */
#define TS_MESSAGE_INSERTS(X)                                                                      \
    X(4, "service")                                                                                \
    X(5, "engine")                                                                                 \
    X(6, "channel")                                                                                \
    X(7, "project")                                                                                \
    X(8, "state_from")                                                                             \
    X(9, "state_to")                                                                               \
    X(10, "reason")
#define TS_MESSAGE_INSERTS_MAX 10

#define TS_MESSAGE_ENUM(number, symbol, name, level, meaning) symbol = (number),
enum ts_msg { TS_MESSAGES(TS_MESSAGE_ENUM) };

#endif
