#!/bin/bash
# Makes the MSI from a finished Windows build: msi.sh BUILD_DIR [OUTPUT]. Prints its path.
# VERSION=1.2.3 in the environment makes it another version's (for tests of upgrades).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "${1:?msi.sh BUILD_DIR [OUTPUT]}" && pwd)
output=${2:-$build/tradestack.msi}
version=${VERSION:-$(sed -n "s/^ *version: '\(.*\)',$/\1/p" "$here/../meson.build" | head -n 1)}
categories=$(sed -n '/^#define TS_MESSAGE_GROUPS/,/^$/p' "$here/../lib/base/messages.h" | grep -c ' X([0-9]')
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
# Without debug information, which makes ten times as much.
x86_64-w64-mingw32-strip -o "$stage/tradestackd.exe" "$build/daemon/tradestackd.exe"
x86_64-w64-mingw32-strip -o "$stage/tradestackctl.exe" "$build/ctl/tradestackctl.exe"
cp "$here/../docs/windows.md" "$here/tradestack.wxs" "$stage/"
output=$(realpath "$output")
# wixl looks for files from where it runs.
(cd "$stage" && wixl --arch x64 -o "$output" -D "VERSION=$version" -D "CATEGORIES=$categories" \
    tradestack.wxs)
msibuild "$output" \
    -q "CREATE TABLE \`Environment\` (\`Environment\` CHAR(72) NOT NULL, \`Name\` CHAR(255) NOT NULL LOCALIZABLE, \`Value\` CHAR(255) LOCALIZABLE, \`Component_\` CHAR(72) NOT NULL PRIMARY KEY \`Environment\`)" \
    -q "INSERT INTO \`Environment\` (\`Environment\`, \`Name\`, \`Value\`, \`Component_\`) VALUES ('Path', '=-*PATH', '[~];[INSTALLFOLDER]', 'Control')" \
    -q "UPDATE \`Property\` SET \`Value\`='SERVICEACCOUNT;PURGE;WIX_DOWNGRADE_DETECTED;WIX_UPGRADE_DETECTED' WHERE \`Property\`='SecureCustomProperties'" \
    -q "INSERT INTO \`InstallExecuteSequence\` (\`Action\`, \`Sequence\`) VALUES ('RemoveEnvironmentStrings', 3300)" \
    -q "INSERT INTO \`InstallExecuteSequence\` (\`Action\`, \`Sequence\`) VALUES ('WriteEnvironmentStrings', 5200)"
printf '%s\n' "$output"
