# The health monitor: tradestackd without its hands. It keeps unsent alerts in /var/lib/tradestack.
FROM scratch
COPY rootfs /
COPY --chown=10001:10001 owned /var/lib/tradestack
USER 10001:10001
VOLUME /var/lib/tradestack
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/tradestackd", "--observe"]
CMD ["--config", "/etc/tradestack/monitor.conf"]
