# The gateway simulator. Ports as in the image that it stands for: the API on the container's own
# loopback (4002), a relay in front of it for everybody else (4004).
FROM scratch
COPY rootfs /
USER 10001:10001
EXPOSE 4004 7462
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/tradestack-gwsim"]
# Port 7462 takes commands, from inside and outside the container:
#   docker exec ibkr-gateway tradestack-gwsim --send 127.0.0.1:7462 "mode hang"
CMD ["--listen", "127.0.0.1:4002", "--relay", "0.0.0.0:4004", "--control", "0.0.0.0:7462"]
