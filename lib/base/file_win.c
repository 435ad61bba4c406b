/* See file.h: access lists instead of modes. */
#include "base/file.h"

#include <io.h>

#include "base/win.h"

#include <aclapi.h>
#include <sddl.h>

/* "N": not inherited by programs that are started (the C library of Windows). */
FILE *ts_file_open(const char *path)
{
    return fopen(path, "rbN");
}

/* The groups that hold more than the machine's administrators: Everyone, anonymous, authenticated,
 * interactive and network users, batch jobs, services; Users, Guests, Power Users; also an app
 * package's "all". */
static const char *const wide[] = {"S-1-1-0",      "S-1-5-7",      "S-1-5-11",  "S-1-5-4",
                                   "S-1-5-2",      "S-1-5-3",      "S-1-5-6",   "S-1-5-32-545",
                                   "S-1-5-32-546", "S-1-5-32-547", "S-1-15-2-1"};

static bool is_wide(PSID sid, char *who, size_t size)
{
    char *text = NULL;
    bool found = false;
    if (!ConvertSidToStringSidA(sid, &text)) {
        return false;
    }
    for (size_t i = 0; i < TS_ARRAY_LEN(wide) && !found; i++) {
        found = strcmp(text, wide[i]) == 0;
    }
    if (found) {
        char name[128] = "";
        char domain[128] = "";
        DWORD name_size = sizeof(name);
        DWORD domain_size = sizeof(domain);
        SID_NAME_USE use;
        bool named =
            LookupAccountSidA(NULL, sid, name, &name_size, domain, &domain_size, &use) != 0;
        (void)snprintf(who, size, "%s", named ? name : text);
    }
    (void)LocalFree(text);
    return found;
}

/* Does the entry let a wide group do something of the mask? */
static bool entry_opens(const ACE_HEADER *header, DWORD mask, char *who, size_t size)
{
    union {
        const ACE_HEADER *header;
        ACCESS_ALLOWED_ACE *allowed;
    } ace = {.header = header};
    if (header->AceType != ACCESS_ALLOWED_ACE_TYPE || (header->AceFlags & INHERIT_ONLY_ACE) != 0 ||
        (ace.allowed->Mask & mask) == 0) {
        return false;
    }
    return is_wide(&ace.allowed->SidStart, who, size);
}

bool ts_acl_is_open(HANDLE object, DWORD mask, char *who, size_t size)
{
    PACL list = NULL;
    PSECURITY_DESCRIPTOR descriptor = NULL;
    bool open = false;
    who[0] = '\0';
    if (GetSecurityInfo(object, SE_FILE_OBJECT, DACL_SECURITY_INFORMATION, NULL, NULL, &list, NULL,
                        &descriptor) != ERROR_SUCCESS) {
        return true; /* what cannot be seen is no pass */
    }
    if (list == NULL) {
        open = true;
    }
    for (DWORD i = 0; list != NULL && i < list->AceCount && !open; i++) {
        void *ace = NULL;
        open = GetAce(list, i, &ace) && entry_opens(ace, mask, who, size);
    }
    (void)LocalFree(descriptor);
    return open;
}

bool ts_file_is_private(FILE *f, const char *path, struct ts_error *err)
{
    union {
        intptr_t number;
        HANDLE handle;
    } file = {.number = _get_osfhandle(_fileno(f))};
    char who[128];
    if (ts_acl_is_open(file.handle, FILE_READ_DATA | WRITE_DAC | WRITE_OWNER, who, sizeof(who))) {
        return ts_error_set(err, TS_E_DENIED,
                            "%.120s: %s may read this secret; take that away: icacls FILE "
                            "/inheritance:r /grant:r *S-1-5-18:F *S-1-5-32-544:F",
                            path, who[0] != '\0' ? who : "everybody");
    }
    return true;
}
