#!/bin/bash
# Writes the winget manifests of a released MSI: winget.sh MSI URL FOLDER
# (three files, schema 1.6.0; FOLDER goes to manifests/t/Tradestack/Tradestack/VERSION of winget-pkgs,
# or is tried as it is: winget install --manifest FOLDER).
set -euo pipefail
msi=${1:?winget.sh MSI URL FOLDER}
url=${2:?winget.sh MSI URL FOLDER}
folder=${3:?winget.sh MSI URL FOLDER}
property() {
    msiinfo export "$msi" Property | tr -d '\r' | awk -F '\t' -v name="$1" '$1 == name {print $2}'
}
version=$(property ProductVersion)
id=Tradestack.Tradestack
mkdir -p "$folder"
{
    printf 'PackageIdentifier: %s\nPackageVersion: %s\n' "$id" "$version"
    printf 'DefaultLocale: en-US\nManifestType: version\nManifestVersion: 1.6.0\n'
} >"$folder/$id.yaml"
{
    printf 'PackageIdentifier: %s\nPackageVersion: %s\n' "$id" "$version"
    printf 'InstallerType: msi\nScope: machine\nUpgradeBehavior: install\n'
    printf 'MinimumOSVersion: 10.0.18362.0\nInstallers:\n- Architecture: x64\n'
    printf '  InstallerUrl: %s\n  InstallerSha256: %s\n  ProductCode: "%s"\n' "$url" \
        "$(sha256sum "$msi" | cut -d ' ' -f 1 | tr a-f A-F)" "$(property ProductCode)"
    printf 'ManifestType: installer\nManifestVersion: 1.6.0\n'
} >"$folder/$id.installer.yaml"
{
    printf 'PackageIdentifier: %s\nPackageVersion: %s\nPackageLocale: en-US\n' "$id" "$version"
    printf 'Publisher: tradestack\nPackageName: tradestack\nLicense: see the package\n'
    printf 'ShortDescription: Supervisor of a trading stack in containers: ordered start, health, alerts\n'
    printf 'ManifestType: defaultLocale\nManifestVersion: 1.6.0\n'
} >"$folder/$id.locale.en-US.yaml"
