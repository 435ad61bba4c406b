/*
 * What each message means for the person who reads it: cause and cure. Source of the journal's
 * catalog (service-units/) and of the Windows message file; the daemon itself does not need it.
 */
#ifndef TS_BASE_MESSAGE_HELP_H
#define TS_BASE_MESSAGE_HELP_H

#include "base/messages.h"

enum ts_help_for { TS_HELP_FOR_LINUX, TS_HELP_FOR_WINDOWS };

/* One or more paragraphs, lines of at most 80 columns, ending with a newline; fields of the record
 * stand as @TRADESTACK_NAME@. NULL for a number that is no message. */
const char *ts_message_help(enum ts_msg msg, enum ts_help_for where);

#endif
