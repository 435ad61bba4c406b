# bash completion for tradestackctl(1)
_tradestackctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local commands="status up migrate rollback backups down start stop restart hold unhold reset release logs events watch
        check reload safety approve approvals revoke gameplan audit alert version validate doctor"
    local options="--socket --json --no-color --timeout --help --version --file --env-file --project
        --wait --no-wait --follow --tail --since --config --channel --account --gameplan
        --expires --reason --all --report --send-alert --restart-test --cold-start-test
        --boot --from --to --accept --deprecate-old --keep --dry-run --yes --no-rollback"
    case $prev in
    --socket | --file | --env-file | --config | --gameplan | --report | --from | --to)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    backups)
        mapfile -t COMPREPLY < <(compgen -W "list show verify prune" -- "$cur")
        return
        ;;
    alert)
        COMPREPLY=(test)
        return
        ;;
    safety)
        COMPREPLY=(reset)
        return
        ;;
    approve)
        mapfile -t COMPREPLY < <(compgen -W "live dry-run-off gameplan confirm" -- "$cur")
        return
        ;;
    gameplan)
        COMPREPLY=(check)
        return
        ;;
    check)
        [ "${COMP_WORDS[1]}" != gameplan ] || mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    audit)
        COMPREPLY=(verify)
        return
        ;;
    start | stop | restart | hold | unhold | reset | logs)
        local names
        # The services come last; their probes' names lie deeper. Nothing but plain names: compgen
        # expands the words.
        names=$(tradestackctl --timeout 1s status --json 2>/dev/null |
            sed -n '/^  "services"/,$ s/^      "name": "\([A-Za-z0-9_.-]*\)",*$/\1/p')
        mapfile -t COMPREPLY < <(compgen -W "$names" -- "$cur")
        return
        ;;
    esac
    case $cur in
    -*) mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur") ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur") ;;
    esac
}
complete -F _tradestackctl tradestackctl
