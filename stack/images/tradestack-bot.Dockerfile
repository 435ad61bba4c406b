# The safe default bot. /data may hold a gameplan.json.
FROM scratch
COPY rootfs /
COPY --chown=10001:10001 owned /data
USER 10001:10001
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/tradestack-bot"]
