# Built by build.sh from this machine's own redis-server; behaves like the official image where the project uses it.
FROM scratch
COPY --chown=999:999 data/ /
COPY root/ /
ENV PATH=/usr/local/bin:/usr/bin:/bin
USER redis
WORKDIR /data
VOLUME /data
EXPOSE 6379
CMD ["redis-server", "--protected-mode", "no"]
