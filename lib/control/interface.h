/*
 * Reads the text of a Varlink interface (varlink.org, "Interface definition"), as far as a server
 * needs it: which methods there are and which parameters they take. So the published description
 * is also what calls are checked against, and the two cannot drift apart. Pure.
 *
 * The text is our own and well formed: a method begins a line, its parameters are bool, int, string
 * or object, "?" before the type makes one optional.
 */
#ifndef TS_CONTROL_INTERFACE_H
#define TS_CONTROL_INTERFACE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* The text of our interface, from io.tradestack.Supervisor.varlink at build time. */
extern const char ts_interface_text[];

/* Does the interface have the method ("GetStatus")? */
bool ts_interface_has(const char *text, const char *method);

/*
 * Do the parameters (an object, borrowed) fit the method? Each that is not optional must be there,
 * each must have its type, and there may be no other: a misspelt "service" must not come to mean
 * all services. null counts as not there. False: the first wrong one's name is in ret_wrong, cut to
 * fit.
 */
bool ts_interface_accepts(const char *text, const char *method, json_t *parameters, char *ret_wrong,
                          size_t size);

#endif
