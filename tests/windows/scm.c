/*
 * What tests ask of Windows that Wine's own tools do not do:
 *   scm control SERVICE CODE      sends a control, whatever it is
 *   scm keep FILE                 stays until the file is gone: keeps the service manager alive
 *   scm sddl PIPE                 prints owner and access list of a pipe
 *   scm visits PIPE COUNT         connects so often, asks "Ping" each time; prints how many
 * answered scm squat PIPE                makes a pipe of that name and waits for its first client
 *   scm messages PROGRAM          prints the message table: id and text, one a line
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pipe_win.h"

#include <aclapi.h>
#include <sddl.h>

#define PING "{\"method\":\"io.tradestack.Supervisor.Ping\"}"

static int fail(const char *what)
{
    char text[256];
    ts_win32_text(GetLastError(), text, sizeof(text));
    (void)fprintf(stderr, "scm: %s: %s\n", what, text);
    return 1;
}

static int control(const char *name, const char *code)
{
    SERVICE_STATUS status;
    SC_HANDLE manager = OpenSCManagerA(NULL, NULL, SC_MANAGER_CONNECT);
    SC_HANDLE service = OpenServiceA(manager, name, SERVICE_ALL_ACCESS);
    return ControlService(service, strtoul(code, NULL, 0), &status) ? 0 : fail("control");
}

static int keep(const char *path)
{
    while (GetFileAttributesA(path) != INVALID_FILE_ATTRIBUTES) {
        Sleep(100);
    }
    return 0;
}

static int sddl(const char *path)
{
    HANDLE pipe;
    DWORD error;
    PSECURITY_DESCRIPTOR d = NULL;
    char *text = NULL;
    if (!ts_pipe_open(path, &pipe, &error)) {
        SetLastError(error);
        return fail("open");
    }
    if (GetSecurityInfo(pipe, SE_KERNEL_OBJECT,
                        OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION, NULL, NULL, NULL,
                        NULL, &d) != ERROR_SUCCESS ||
        !ConvertSecurityDescriptorToStringSecurityDescriptorA(
            d, SDDL_REVISION_1, OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION, &text,
            NULL)) {
        return fail("security");
    }
    (void)printf("%s\n", text);
    return 0;
}

static bool visit(const char *path)
{
    HANDLE pipe;
    DWORD error;
    DWORD n = 0;
    char answer[512];
    OVERLAPPED io = {.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL)};
    char name[TS_PIPE_PATH];
    while (!ts_pipe_open(path, &pipe, &error)) {
        if (error != ERROR_PIPE_BUSY || !ts_win_path(name, sizeof(name), path)) {
            return false;
        }
        (void)WaitNamedPipeA(name, 5000);
    }
    bool ok =
        (WriteFile(pipe, PING, sizeof(PING), NULL, &io) || GetLastError() == ERROR_IO_PENDING) &&
        GetOverlappedResult(pipe, &io, &n, TRUE);
    (void)ResetEvent(io.hEvent);
    ok = ok &&
         (ReadFile(pipe, answer, sizeof(answer) - 1, NULL, &io) ||
          GetLastError() == ERROR_IO_PENDING) &&
         GetOverlappedResult(pipe, &io, &n, TRUE);
    answer[ok ? n : 0] = '\0';
    (void)CloseHandle(pipe);
    (void)CloseHandle(io.hEvent);
    return ok && strstr(answer, "\"parameters\"") != NULL && strstr(answer, "error") == NULL;
}

static int visits(const char *path, const char *count)
{
    unsigned long want = strtoul(count, NULL, 10);
    unsigned long answered = 0;
    for (unsigned long i = 0; i < want; i++) {
        answered += visit(path);
    }
    (void)printf("%lu\n", answered);
    return answered == want ? 0 : 1;
}

static int squat(const char *path)
{
    char name[TS_PIPE_PATH];
    if (!ts_win_path(name, sizeof(name), path)) {
        return 2;
    }
    HANDLE pipe =
        CreateNamedPipeA(name, PIPE_ACCESS_DUPLEX, PIPE_TYPE_BYTE, 1, 4096, 4096, 0, NULL);
    if (pipe == INVALID_HANDLE_VALUE) {
        return fail("squat");
    }
    (void)printf("ready\n");
    (void)fflush(stdout);
    (void)ConnectNamedPipe(pipe, NULL);
    Sleep(1000);
    return 0;
}

static void print_message(DWORD id, const MESSAGE_RESOURCE_ENTRY *e)
{
    bool wide = (e->Flags & MESSAGE_RESOURCE_UNICODE) != 0;
    size_t n = e->Length - sizeof(USHORT) * 2;
    (void)printf("0x%08lx ", id);
    for (size_t i = 0; i < n; i += wide ? 2 : 1) {
        unsigned char c = e->Text[i];
        if (c == '\0') {
            break;
        }
        if (c != '\r') {
            (void)(c == '\n' ? fputs("\\n", stdout) : putchar(c));
        }
    }
    (void)putchar('\n');
}

static int messages(const char *program)
{
    HMODULE file = LoadLibraryExA(program, NULL, LOAD_LIBRARY_AS_DATAFILE);
    HRSRC found = FindResourceA(file, MAKEINTRESOURCEA(1), (LPCSTR)RT_MESSAGETABLE);
    HGLOBAL loaded = found == NULL ? NULL : LoadResource(file, found);
    if (loaded == NULL) {
        return fail("message table");
    }
    const char *base = LockResource(loaded);
    const MESSAGE_RESOURCE_DATA *data = (const void *)base;
    for (DWORD b = 0; b < data->NumberOfBlocks; b++) {
        const MESSAGE_RESOURCE_BLOCK *block = &data->Blocks[b];
        const char *at = base + block->OffsetToEntries;
        for (DWORD id = block->LowId; id <= block->HighId; id++) {
            const MESSAGE_RESOURCE_ENTRY *e = (const void *)at;
            print_message(id, e);
            at += e->Length;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *word = argc > 2 ? argv[1] : "";
    if (strcmp(word, "control") == 0 && argc == 4) {
        return control(argv[2], argv[3]);
    }
    if (strcmp(word, "visits") == 0 && argc == 4) {
        return visits(argv[2], argv[3]);
    }
    return strcmp(word, "keep") == 0       ? keep(argv[2])
           : strcmp(word, "sddl") == 0     ? sddl(argv[2])
           : strcmp(word, "squat") == 0    ? squat(argv[2])
           : strcmp(word, "messages") == 0 ? messages(argv[2])
                                           : 2;
}
