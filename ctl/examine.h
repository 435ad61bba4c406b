/* What doctor and validate have in common: facts of this side, and findings shown. */
#ifndef TS_CTL_EXAMINE_H
#define TS_CTL_EXAMINE_H

#include "ctl.h"

/* The facts for Doctor and Validate (daemon/checkup.h): Compose's version, the hashes of the
 * compose file, boot, listeners. project: the reply of the method Project. The caller owns them. */
json_t *ctl_collect_facts(const struct ctl *ctl, const json_t *project);

/* "✗ error  wrong-port  trading-bot  what" and below it evidence and cure. */
void ctl_show_finding(const struct ctl *ctl, FILE *f, const json_t *finding);

/* Writes the report of a validation: JSON for a name that ends in .json, else Markdown. False: told
 * why. */
bool ctl_write_report(const struct ctl *ctl, const char *path, const json_t *project,
                      const json_t *points, int64_t failed);

#endif
